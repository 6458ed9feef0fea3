"""What several forms share: fields, widgets, and the form that is sent once."""

from __future__ import annotations

import uuid

from django import forms
from django.conf import settings

from contributions.intake import Limits
from mosaic_site.errors import Refused

DATA_FILES = ".csv,.tsv,.jsonl,.ndjson,.txt"


class OnceForm(forms.Form):
    """A form that makes one row however often it is sent."""

    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


def area(length: int) -> forms.Textarea:
    """A text area that says how many characters are left."""
    return forms.Textarea({"rows": 3, "maxlength": length, "data-counter": ""})


def data_file() -> forms.FileField:
    limit, limits = settings.MOSAIC_UPLOAD_LIMIT_BYTES, Limits()
    return forms.FileField(
        label="File",
        help_text=(
            f"CSV, TSV or JSON Lines; at most {limits.max_rows:,} rows. "
            "It is recognised by its content, whatever its name."
        ),
        widget=forms.FileInput({"accept": DATA_FILES, "data-max-bytes": limit}),
        error_messages={
            "empty": "This file is empty. Choose one with a header and at least one row.",
            "required": "Choose a file. After an error it has to be chosen again.",
        },
    )


class ReasonForm(forms.Form):
    """The public reason that goes with a verb. Whether one is needed, the action says."""

    reason = forms.CharField(max_length=2000, required=False)

    def typed(self) -> str:
        """The reason, or Refused where it cannot be kept."""
        if not self.is_valid():
            raise Refused(" ".join(map(str, self.errors["reason"])))
        reason: str = self.cleaned_data["reason"]
        return reason
