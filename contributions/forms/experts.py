from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from contributions.access import versions_trainable_by
from contributions.forms.fields import OnceForm, area
from contributions.models import DatasetVersion, Priority
from contributions.recipes import DEFAULT_RANK, RANKS, THOROUGHNESS, recipe_from
from mosaic_site.members.models import User


# Not subscriptable at run time.
class _Versions(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: DatasetVersion) -> str:
        owner = obj.dataset.owner.display_name
        return f"{obj} · {obj.rows:,} rows · {obj.dataset.licence} · by {owner}"


class PurposeForm(forms.Form):
    purpose = forms.CharField(
        label="What is it for?",
        max_length=600,
        widget=area(600),
        help_text="What it answers and what it does not, for those who vote on it.",
    )


class NewExpertForm(OnceForm):
    """What every expert has from the first, whether it is trained here or brought."""

    name = forms.CharField(label="Name", max_length=60, help_text="As it will stand on the ballot.")
    priority = forms.ModelChoiceField(
        label="The need it serves",
        queryset=Priority.objects.open(),
        empty_label="Choose a priority",
        help_text="It is scored on the probes of this priority.",
    )


class _Recipe(PurposeForm):
    """What is to be learnt and how: shared by the first submission and a later one."""

    versions = _Versions(
        label="Data it learns from",
        queryset=DatasetVersion.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one: an expert learns from data."},
    )
    thoroughness = forms.ChoiceField(
        label="How thoroughly?",
        choices=[(name, reading.label) for name, reading in THOROUGHNESS.items()],
        initial="normal",
        widget=forms.RadioSelect,
    )
    rank = forms.TypedChoiceField(
        label="Adapter rank",
        coerce=int,
        choices=[(rank, str(rank)) for rank in RANKS],
        initial=DEFAULT_RANK,
        help_text="A smaller adapter learns less and costs less of a round's budget.",
    )
    learning_rate = forms.FloatField(
        label="Learning rate",
        min_value=1e-6,
        max_value=0.1,
        required=False,
        help_text="Empty: what suits the base.",
        widget=forms.NumberInput({"step": "any"}),
    )
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        help_text="The same seed gives the same expert.",
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offered = versions_trainable_by(owner)
        versions = self.fields["versions"]
        assert isinstance(versions, _Versions)
        versions.queryset = self._offered

    def offers(self, version: DatasetVersion) -> bool:
        return self._offered.filter(pk=version.pk).exists()

    def recipe(self) -> dict[str, Any]:
        names = ("thoroughness", "rank", "learning_rate", "seed")
        return recipe_from(**{name: self.cleaned_data[name] for name in names})

    def knobs(self) -> Iterable[forms.BoundField]:
        """What is folded away: few need it."""
        return [self[name] for name in ("rank", "learning_rate", "seed")]

    def has_knob_errors(self) -> bool:
        return any(knob.errors for knob in self.knobs())


class ExpertForm(_Recipe, NewExpertForm):
    field_order = ["once", "name", "purpose", "priority", "versions", "thoroughness"]


class ResubmitForm(_Recipe):
    """The same expert again, changed."""
