"""What stewards and members type about rounds, proposals and comments."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_UP, Decimal
from typing import Any

from django import forms

from contributions.models import Expert, Priority
from governance.actions.box import ANSWERS
from governance.actions.moderation import Ground
from governance.actions.proposals import THRESHOLDS, threshold_words
from governance.models import Candidate, Proposal, Question, Veto
from mosaic_site.display.words import mib

MIB = 2**20
UNITS = {"minutes": 60, "hours": 3600, "days": 86400}
NOT_STANDING = "One of the experts you approved does not stand in this round."
LONGEST = timedelta(days=366)


def suggested_budget(experts: Sequence[Expert]) -> Decimal:
    """MiB: about 60 % of what all would cost, so that the vote has something to decide."""
    costs = [expert.adapter_bytes for expert in experts]
    size = max(Decimal(sum(costs)) * 6 / 10, Decimal(min(costs, default=0)))
    return (size / MIB).quantize(Decimal("0.01"), ROUND_UP)


def _area(length: int, rows: int = 3) -> forms.Textarea:
    """A text area that says how many characters are left."""
    return forms.Textarea({"rows": rows, "maxlength": length, "data-counter": ""})


class RoundPlanForm(forms.Form):
    """What of a round can change until it is frozen."""

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

    @property
    def budget_bytes(self) -> int:
        return int(self.cleaned_data["budget"] * MIB)


class RoundForm(RoundPlanForm):
    lasts = forms.IntegerField(label="Voting lasts", min_value=1, max_value=100_000)
    unit = forms.ChoiceField(label="Minutes, hours or days", choices=[(u, u) for u in UNITS])
    discussion = forms.IntegerField(
        label="Hours of discussion before voting opens",
        min_value=0,
        max_value=366 * 24,
        help_text="0: voting opens at once, with what stands now.",
    )
    contest = forms.IntegerField(
        label="Hours in which the result can be contested",
        min_value=0,
        max_value=366 * 24,
        help_text="A steward can ratify it after that.",
    )
    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "lasts" in cleaned and "unit" in cleaned:
            cleaned["length"] = timedelta(seconds=cleaned["lasts"] * UNITS[cleaned["unit"]])
            if cleaned["length"] > LONGEST:
                self.add_error("lasts", "A round lasts a year at most.")
        return cleaned


class CancelForm(forms.Form):
    reason = forms.CharField(
        max_length=2000,
        widget=_area(2000),
        label="Public reason",
        error_messages={"required": "Give a public reason for calling this round off."},
    )


class BallotForm(forms.Form):
    """The approvals and answers of one ballot. The page draws the boxes itself, with evidence."""

    approvals = forms.TypedMultipleChoiceField(
        coerce=int,
        required=False,
        error_messages={"invalid_choice": NOT_STANDING},
    )

    def __init__(
        self,
        candidates: Sequence[Candidate],
        questions: Sequence[Question] = (),
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["approvals"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [(candidate.pk, candidate.pk) for candidate in candidates]
        self.questions = questions
        for question in questions:
            self.fields[f"question-{question.pk}"] = forms.ChoiceField(
                choices=[(answer, answer) for answer in ANSWERS], required=False
            )

    @property
    def approved(self) -> frozenset[int]:
        return frozenset(self.cleaned_data["approvals"])

    @property
    def answers(self) -> dict[int, str]:
        """What was answered, by the question's key; without those left open."""
        said = {one.pk: self.cleaned_data[f"question-{one.pk}"] for one in self.questions}
        return {pk: answer for pk, answer in said.items() if answer}


class RatifyForm(forms.Form):
    reason = forms.CharField(
        required=False, max_length=2000, widget=_area(2000), label="Why, in public"
    )


class VetoForm(forms.Form):
    candidate = forms.TypedChoiceField(
        label="What is contested",
        coerce=int,
        required=False,
        empty_value=None,
    )
    ground = forms.ChoiceField(label="Ground", choices=Veto.Ground)
    reason = forms.CharField(
        max_length=2000,
        widget=_area(2000),
        label="Public reason",
        help_text="Everybody reads it beside the result. It takes effect when another steward "
        "joins.",
        error_messages={"required": "A veto needs a public reason."},
    )
    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, winners: Sequence[Candidate], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["candidate"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [
            *((one.pk, f"The expert {one.expert.name}: count again without it") for one in winners),
            ("", "The whole round: annul it"),
        ]


class SlateForm(BallotForm):
    """A ballot that a member recommends: what it approves of and answers, and why."""

    title = forms.CharField(
        max_length=120, help_text="What it stands for, for example “More for the library”."
    )
    why = forms.CharField(
        label="Why you recommend it",
        max_length=4000,
        required=False,
        widget=_area(4000, rows=5),
    )
    approvals = forms.TypedMultipleChoiceField(
        label="Experts to approve of",
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": NOT_STANDING},
    )

    field_order = ["title", "why", "approvals"]

    def __init__(
        self,
        candidates: Sequence[Candidate],
        questions: Sequence[Question] = (),
        *args: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(candidates, questions, *args, **kwargs)
        field = self.fields["approvals"]
        assert isinstance(field, forms.TypedMultipleChoiceField)
        field.choices = [
            (one.pk, f"{one.expert.name} · {mib(one.cost_bytes)} · {one.expert.owner.display_name}")
            for one in candidates
        ]
        for question in questions:
            self.fields[f"question-{question.pk}"] = forms.ChoiceField(
                label=str(question),
                choices=[
                    *((answer, answer.capitalize()) for answer in ANSWERS),
                    ("", "No recommendation"),
                ],
                required=False,
                widget=forms.RadioSelect,
            )


class MergeForm(forms.Form):
    into = forms.ModelChoiceField(
        label="The priority that says the same",
        queryset=Priority.objects.none(),
        empty_label="Choose an open priority",
    )
    reason = forms.CharField(
        label="Public reason",
        max_length=2000,
        widget=_area(2000),
        help_text="Everybody can read it on both pages.",
        error_messages={"required": "Give a public reason for merging this priority."},
    )

    def __init__(self, priority: Priority, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["into"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Priority.objects.open().exclude(pk=priority.pk)


class ProposalEditForm(forms.Form):
    title = forms.CharField(
        max_length=160, help_text="As it will stand on the ballot, so that yes and no are clear."
    )
    text = forms.CharField(
        label="What, and why",
        max_length=10_000,
        required=False,
        widget=_area(10_000, rows=10),
        help_text="Plain text. Addresses become links.",
    )


class ProposalForm(ProposalEditForm):
    kind = forms.ChoiceField(
        label="What shall be decided?",
        choices=[
            (Proposal.Kind.QUESTION, "A yes/no question"),
            (Proposal.Kind.RETIRE, "Whether an expert is retired"),
        ],
        initial=Proposal.Kind.QUESTION,
        widget=forms.RadioSelect,
        help_text="Experts to be admitted need no proposal: each one that is eligible stands in "
        "the next round by itself.",
    )
    expert = forms.ModelChoiceField(
        label="The expert to retire",
        queryset=Expert.objects.eligible().order_by("name"),
        required=False,
        empty_label="None: it is a question",
    )
    threshold = forms.ChoiceField(
        label="It passes with",
        choices=[(one, threshold_words(one)) for one in THRESHOLDS],
        help_text="Of those who answer yes or no.",
    )
    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    field_order = ["kind", "expert", "title", "text", "threshold"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        retires = cleaned.get("kind") == Proposal.Kind.RETIRE
        if retires and "expert" in cleaned and cleaned["expert"] is None:
            self.add_error("expert", "Choose the expert that shall be retired.")
        if not retires and cleaned.get("expert"):
            self.add_error("expert", "A question is about no expert. Leave this empty.")
        return cleaned


class CommentForm(forms.Form):
    text = forms.CharField(
        label="Your comment",
        max_length=4000,
        widget=_area(4000),
        help_text="Plain text, for everybody to read. Addresses become links.",
        error_messages={"required": "There is nothing in this comment yet."},
    )
    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


class ReportForm(forms.Form):
    """A member reports something; or, `contest`, its author asks to look at its removal again."""

    ground = forms.ChoiceField(
        label="Which rule does it break?", choices=[("", "Choose a rule"), *Ground.choices]
    )
    reason = forms.CharField(
        label="What is wrong?",
        max_length=1900,
        widget=_area(1900),
        help_text="Only stewards read this, and whose report it is.",
    )

    def __init__(self, *args: Any, contest: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if contest:
            del self.fields["ground"]

    @property
    def full_reason(self) -> str:
        ground = self.cleaned_data.get("ground")
        reason: str = self.cleaned_data["reason"]
        return f"{Ground(ground).label}: {reason}" if ground else reason


class AnswerForm(forms.Form):
    """What a steward finds: that it stands, or on which ground it is removed."""

    KEEP = "keep"
    found = forms.ChoiceField(
        label="Your answer",
        choices=[
            (KEEP, "It stands: it breaks no rule"),
            *((ground.value, f"It is removed: {ground.label}") for ground in Ground),
        ],
        widget=forms.RadioSelect,
    )
    reason = forms.CharField(
        label="Public reason",
        max_length=1900,
        widget=_area(1900),
        help_text="Everybody reads it in the discussion and in the log, so do not quote from it.",
        error_messages={"required": "Every answer needs a public reason."},
    )
