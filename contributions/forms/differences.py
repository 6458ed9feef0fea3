from __future__ import annotations

from collections.abc import Mapping

from django import forms

from contributions.models import DatasetVersion
from contributions.models.dataset import DatasetVersionQuerySet


# Not subscriptable at run time.
class VersionField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A version of one dataset, by its number."""

    def label_from_instance(self, obj: DatasetVersion) -> str:
        return f"Version {obj.number}, {obj.rows:,} rows"


class DifferencesForm(forms.Form):
    """Which two of these versions are compared."""

    def __init__(self, asked: Mapping[str, object], versions: DatasetVersionQuerySet) -> None:
        super().__init__(asked)
        for name, label in (("old", "From"), ("new", "To")):
            self.fields[name] = VersionField(
                versions,
                to_field_name="number",
                label=label,
                empty_label=None,
                error_messages={"invalid_choice": "There is no such version without errors."},
            )
