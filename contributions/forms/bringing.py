"""Bringing an adapter that was trained elsewhere."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from contributions import licences
from contributions.access import adapters_arrived_for
from contributions.forms.experts import NewExpertForm, PurposeForm
from contributions.forms.fields import FilesField, FilesInput, area
from contributions.models import Upload
from mosaic_site.members.models import User

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
        required=False,
        widget=FilesInput({"accept": ADAPTER_FILES}),
        help_text="A zip of its folder; or adapter_model.safetensors and adapter_config.json, and "
        "README.md and profile.json if it has them, chosen together.",
        error_messages={"empty": "One of these files is empty."},
    )
    upload = forms.ModelChoiceField(
        label="Or one that arrived in parts",
        queryset=Upload.objects.none(),
        required=False,
        empty_label="None: it is chosen above",
        help_text="A zip of its folder.",
    )
    needs_files = True

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["adapter"].widget.attrs["data-max-bytes"] = settings.MOSAIC_UPLOAD_LIMIT_BYTES
        arrived = self.fields["upload"]
        assert isinstance(arrived, forms.ModelChoiceField)
        arrived.queryset = adapters_arrived_for(owner)
        if not arrived.queryset.exists():
            arrived.widget = forms.HiddenInput()  # nothing to choose from

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        files, upload = cleaned.get("adapter"), cleaned.get("upload")
        if files and upload:
            self.add_error("upload", "Choose files, or an upload, not both.")
        elif self.needs_files and not (files or upload or self.errors):
            self.add_error("adapter", NOTHING_CHOSEN)
        return cleaned

    def values(self) -> dict[str, Any]:
        """What was filled in, as the actions call it."""
        values = dict(self.cleaned_data)
        return values | {"files": values.pop("adapter")}


class BringForm(_Bring, NewExpertForm):
    field_order = ["once", "name", "purpose", "priority", "origin", "licence", "adapter", "upload"]


class BringAgainForm(_Bring):
    """The same expert again, described better or with other weights."""

    needs_files = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["adapter"].help_text += " Empty: those that are here already."
