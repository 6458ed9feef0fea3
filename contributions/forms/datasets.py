from __future__ import annotations

from typing import Any

from django import forms

from contributions.forms.fields import OnceForm, area, data_file
from contributions.models import Licence


class DatasetForm(OnceForm):
    name = forms.CharField(
        label="Name", help_text="As others will read it in lists and on ballots.", max_length=80
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"] = data_file()


class VersionForm(OnceForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"] = data_file()


class UploadForm(forms.Form):
    """How an upload in parts begins: for a new dataset called `name`, or for `dataset`."""

    once = forms.UUIDField(required=False)
    name = forms.CharField(max_length=80, required=False)
    dataset = forms.IntegerField(min_value=1, required=False)
    filename = forms.CharField(max_length=240)
    size = forms.IntegerField(
        min_value=1, error_messages={"min_value": "The file is empty. Choose one with rows."}
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if bool(values.get("name")) == bool(values.get("dataset")) and not self.errors:
            raise forms.ValidationError(
                "Say either what the new dataset is called (name), or of which dataset this is "
                "the next version (dataset)."
            )
        return values


class CardForm(forms.Form):
    """The card of a dataset. Licence, summary and origin are needed before training."""

    licence = forms.ChoiceField(
        label="Licence",
        choices=[("", "Choose the licence of the data"), *Licence.choices],
        help_text="It travels with every expert that learns from the data.",
    )
    summary = forms.CharField(
        label="What is in it?",
        max_length=2000,
        widget=area(2000),
        help_text="Who asks, who answers, in which language, about what.",
    )
    origin = forms.CharField(
        label="Where does it come from?",
        max_length=2000,
        widget=area(2000),
        help_text="Who wrote it or where it was published, and how it was collected.",
    )
    limits = forms.CharField(
        label="What does it not cover?",
        max_length=2000,
        required=False,
        widget=area(2000),
        help_text="Known gaps, errors and leanings.",
    )
