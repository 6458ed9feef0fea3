"""What a steward says of a job's place."""

from django import forms

from contributions.forms import ReasonForm
from training_workers.models import Job


class PrioritiseForm(ReasonForm):
    priority = forms.TypedChoiceField(
        choices=Job.Priority.choices,
        coerce=int,
        required=False,
        empty_value=Job.Priority.FIRST,
    )
