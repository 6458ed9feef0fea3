from __future__ import annotations

import re
from typing import Any

from django import forms
from django.conf.locale import LANG_INFO

from contributions import card, licences
from contributions.forms.fields import OnceForm, area, data_file
from contributions.models import Dataset, Upload


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
    """How an upload in parts begins: for a new dataset called `name`, for `dataset`, or with the
    purpose of an adapter."""

    once = forms.UUIDField(required=False)
    name = forms.CharField(max_length=80, required=False)
    dataset = forms.IntegerField(min_value=1, required=False)
    purpose = forms.ChoiceField(
        choices=Upload.Purpose.choices, initial=Upload.Purpose.DATASET, required=False
    )
    filename = forms.CharField(max_length=240)
    size = forms.IntegerField(
        min_value=1, error_messages={"min_value": "The file is empty. Choose one with rows."}
    )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        values["purpose"] = values.get("purpose") or Upload.Purpose.DATASET
        if values["purpose"] == Upload.Purpose.ADAPTER:
            if values.get("name") or values.get("dataset"):
                raise forms.ValidationError("An adapter is no dataset: leave out name and dataset.")
            return values
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
        choices=[("", "Choose the licence of the data"), *licences.choices()],
        help_text="It travels with every expert that learns from the data.",
    )
    summary = forms.CharField(
        label="What is in it?",
        max_length=2000,
        widget=area(2000),
        help_text="Who asks, who answers, about what. Markdown works in these texts.",
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
    credit = forms.CharField(
        label="Whom to credit?",
        max_length=200,
        required=False,
        help_text="As it shall be read beside every release; you, where nobody else is named.",
    )
    languages = forms.CharField(
        label="Languages",
        max_length=200,
        required=False,
        help_text="Names or codes, with commas between them: English, German, or en, de.",
    )
    tasks = forms.MultipleChoiceField(
        label="What is it for?",
        choices=list(card.TASKS.items()),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    tags = forms.CharField(
        label="Tags",
        max_length=200,
        required=False,
        help_text="At most ten words that others may look for, with commas between them.",
    )

    @classmethod
    def written(cls, dataset: Dataset) -> dict[str, object]:
        """What the card says now, as the fields show it."""
        return {name: getattr(dataset, name) for name in cls.base_fields} | {
            "languages": ", ".join(dataset.languages),
            "tags": ", ".join(dataset.tags),
        }

    def clean_languages(self) -> list[str]:
        """ISO 639 codes of two or three letters, as the Hub wants them."""
        named = _listed(self.cleaned_data["languages"])
        codes = [_CODES.get(name.lower(), name.lower()) for name in named]
        unknown = [
            name for name, code in zip(named, codes, strict=True) if not _CODE.fullmatch(code)
        ]
        if unknown:
            raise forms.ValidationError(
                f"Not known as a language: {', '.join(unknown)}. Write its English name or its "
                "ISO 639 code of two or three letters, such as de for German."
            )
        return list(dict.fromkeys(codes))

    def clean_tags(self) -> list[str]:
        """At most ten, in small letters, words joined by hyphens."""
        tags = list(
            dict.fromkeys(
                "-".join(tag.lower().split()) for tag in _listed(self.cleaned_data["tags"])
            )
        )
        if len(tags) > MOST_TAGS:
            raise forms.ValidationError(f"These are {len(tags)} tags; keep the best {MOST_TAGS}.")
        return tags


MOST_TAGS = 10
_CODE = re.compile("[a-z]{2,3}")
_CODES = {about["name"].lower(): code for code, about in LANG_INFO.items() if _CODE.fullmatch(code)}


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
