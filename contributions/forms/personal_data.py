from django import forms

from contributions.forms.fields import area


class AcknowledgeForm(forms.Form):
    """The owner answers for personal data that stays in."""

    looked = forms.BooleanField(
        label="I have looked at these places. They may be shown and trained on.",
        error_messages={"required": "Tick that you have looked at the places that were found."},
    )
    reason = forms.CharField(
        label="Why they may stay in",
        max_length=2000,
        widget=area(2000),
        help_text="Public, in the ledger. For example: the numbers are made up.",
        error_messages={
            "required": "Say why they may stay in: who agreed, or why nobody is meant."
        },
    )
