"""Bringing an adapter that was trained elsewhere."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from contributions import licences
from contributions.forms.experts import NewExpertForm, PurposeForm
from contributions.forms.fields import FilesField, FilesInput, area

ADAPTER_FILES = ".zip,.safetensors,.json,.md"
NOTHING_CHOSEN = "Choose the adapter's folder as a zip, or its files."


class _Bring(PurposeForm):
    """What is brought, and what nobody here can see of it."""

    origin = forms.CharField(
        label="What did it learn from?",
        max_length=2000,
        widget=area(2000),
        help_text="The data stay with you; say what they are, so that others can judge.",
    )
    licence = forms.ChoiceField(
        label="Licence",
        choices=[
            ("", "Choose the licence of the adapter"),
            *licences.choices(trainable=True),
        ],
        help_text="What others may do with it. It must fit the data that it learnt from.",
    )
    adapter = FilesField(
        label="The adapter",
        widget=FilesInput({"accept": ADAPTER_FILES}),
        help_text="A zip of its folder; or adapter_model.safetensors and adapter_config.json, and "
        "README.md and profile.json if it has them, chosen together.",
        error_messages={"required": NOTHING_CHOSEN, "empty": "One of these files is empty."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["adapter"].widget.attrs["data-max-bytes"] = settings.MOSAIC_UPLOAD_LIMIT_BYTES

    def values(self) -> dict[str, Any]:
        """What was filled in, as the actions call it."""
        values = dict(self.cleaned_data)
        return values | {"files": values.pop("adapter")}


class BringForm(_Bring, NewExpertForm):
    field_order = ["once", "name", "purpose", "priority", "origin", "licence", "adapter"]


class BringAgainForm(_Bring):
    """The same expert again, described better or with other weights."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["adapter"].required = False
        self.fields["adapter"].help_text += " Empty: those that are here already."
