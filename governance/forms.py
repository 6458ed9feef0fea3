"""What stewards and members type about rounds."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

from django import forms

from contributions.models import Expert
from governance.models import Candidate

MIB = 2**20
UNITS = {"minutes": 60, "hours": 3600, "days": 86400}
NOT_STANDING = "One of the experts you approved does not stand in this round."
LONGEST = timedelta(days=366)


def suggested_budget(experts: Sequence[Expert]) -> Decimal:
    """MiB: about 60 % of what all would cost, so that the vote has something to decide."""
    costs = [expert.adapter_bytes for expert in experts]
    size = max(Decimal(sum(costs)) * 6 / 10, Decimal(min(costs, default=0)))
    return (size / MIB).quantize(Decimal("0.01"), ROUND_UP)


class RoundForm(forms.Form):
    title = forms.CharField(max_length=120, help_text="For example “Spring round”.")
    budget = forms.DecimalField(
        label="Budget in MiB",
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        help_text="How much the experts that join may weigh together. "
        "Suggested: about 60 % of all candidates.",
    )
    quorum = forms.IntegerField(
        min_value=1,
        max_value=10**9,
        help_text="How many ballots are needed for a result; empty ones count. "
        "Suggested: a third of the members.",
    )
    lasts = forms.IntegerField(label="Voting lasts", min_value=1, max_value=100_000)
    unit = forms.ChoiceField(label="Minutes, hours or days", choices=[(u, u) for u in UNITS])
    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "lasts" in cleaned and "unit" in cleaned:
            cleaned["length"] = timedelta(seconds=cleaned["lasts"] * UNITS[cleaned["unit"]])
            if cleaned["length"] > LONGEST:
                self.add_error("lasts", "A round lasts a year at most.")
        return cleaned

    @property
    def budget_bytes(self) -> int:
        return int(self.cleaned_data["budget"] * MIB)


class BallotForm(forms.Form):
    """The approvals of one ballot. The page draws the boxes itself, each with its evidence."""

    approvals = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        error_messages={"invalid_choice": NOT_STANDING},
    )

    def __init__(self, candidates: Sequence[Candidate], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["approvals"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(candidate.pk, candidate.pk) for candidate in candidates]


class RatifyForm(forms.Form):
    reason = forms.CharField(
        required=False, max_length=2000, widget=forms.Textarea, label="Why, in public"
    )


class VetoForm(forms.Form):
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea,
        label="Public reason",
        help_text="Everybody reads it beside the result. The live release stays.",
        error_messages={"required": "A veto needs a public reason."},
    )
