"""What several forms share: fields, widgets, and the form that is sent once."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.conf import settings

from contributions.intake import Limits
from mosaic_site.errors import Refused

DATA_FILES = ".csv,.tsv,.json,.jsonl,.ndjson,.parquet,.txt,.gz,.zst,.zip"


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
            f"CSV, JSON, Parquet or text; at most {limits.max_rows:,} rows. "
            "It is recognised by its content, whatever its name."
        ),
        widget=forms.FileInput({"accept": DATA_FILES, "data-max-bytes": limit}),
        error_messages={
            "empty": "This file is empty. Choose one with a header and at least one row.",
            "required": "Choose a file. After an error it has to be chosen again.",
        },
    )


class WithdrawForm(forms.Form):
    reason = forms.CharField(
        label="Public reason",
        max_length=2000,
        widget=area(2000),
        help_text="A few words are enough. They stay in the ledger for everybody to read.",
    )


class FilesInput(forms.ClearableFileInput):
    """Several files at once."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files: a list of them, empty where none was chosen and none is needed."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        chosen = data if isinstance(data, list) else [data]
        return [
            super(FilesField, self).clean(one, initial) for one in chosen if one or self.required
        ]


class ReasonForm(forms.Form):
    """The public reason that goes with a verb. Whether one is needed, the action says."""

    reason = forms.CharField(max_length=2000, required=False)

    def typed(self) -> str:
        """The reason, or Refused where it cannot be kept."""
        if not self.is_valid():
            raise Refused(" ".join(str(error) for each in self.errors.values() for error in each))
        reason: str = self.cleaned_data["reason"]
        return reason
