"""What a steward says of a job's place."""

from django import forms

from contributions.forms import ReasonForm
from training_workers.models import Job


class PrioritiseForm(ReasonForm):
    priority = forms.TypedChoiceField(
        choices=Job.Priority.choices, coerce=int, required=False, initial=Job.Priority.FIRST
    )

    @property
    def chosen(self) -> int:
        """What was ticked; first, where nothing was."""
        ticked = self.cleaned_data["priority"]
        return int(Job.Priority.FIRST if ticked == "" else ticked)
