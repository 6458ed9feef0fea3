"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

import hashlib
from dataclasses import dataclass

from django.shortcuts import get_object_or_404

from governance.models import Ballot, Candidate, Decision, Round
from governance.models.round import CandidateQuerySet, RoundQuerySet
from mosaic_site.members.models import User


def rounds_for_anyone() -> RoundQuerySet:
    return Round.objects.select_related("opened_by", "settled_by", "decision").with_counts()


def round_for_anyone(pk: int) -> Round:
    return get_object_or_404(rounds_for_anyone(), pk=pk)


def candidates_for_anyone(round_: Round) -> CandidateQuerySet:
    """What stands on the ballot, the cheapest first. It says nothing about who approves of what."""
    return round_.candidates.with_experts().order_by("cost_bytes", "expert__name", "id")


def candidates_as_shown_to(person: User, round_: Round) -> list[Candidate]:
    """What stands on the ballot, in this person's own order: the same on every visit, but another
    for everybody, so that nobody's expert is always the first.
    """

    def place(candidate: Candidate) -> str:
        return hashlib.sha256(f"{round_.pk}:{person.pk}:{candidate.pk}".encode()).hexdigest()

    return sorted(round_.candidates.with_experts(), key=place)


def ballot_of(person: User, round_: Round) -> Ballot | None:
    """A person's own ballot. There is no way to get anybody else's."""
    return Ballot.objects.filter(round=round_, voter=person).first()


def approvals_of(person: User, round_: Round) -> frozenset[int] | None:
    """The candidates on a person's own ballot, by key; None without a ballot."""
    ballot = ballot_of(person, round_)
    return None if ballot is None else frozenset(ballot.approvals.values_list("pk", flat=True))


def may_vote(person: User, round_: Round) -> bool:
    return round_.electors.filter(member=person).exists()


@dataclass(frozen=True)
class StartingPoint:
    """The approvals that a member's ballot page begins with, and where they come from.

    `ballot` is the one cast in this round, if any; `earlier` is the member's last round before
    it, if the approvals are taken over from there.
    """

    approved: frozenset[int]
    ballot: Ballot | None = None
    earlier: Round | None = None


def starting_point(person: User, round_: Round) -> StartingPoint:
    """The current ballot; else the same experts as in the member's last ballot; else nothing."""
    ballot = ballot_of(person, round_)
    if ballot is not None:
        approved = ballot.approvals.values_list("pk", flat=True)
        return StartingPoint(frozenset(approved), ballot=ballot)
    last = (
        Ballot.objects.filter(voter=person, round__opened_at__lt=round_.opened_at)
        .select_related("round")
        .order_by("-round__opened_at")
        .first()
    )
    if last is None:
        return StartingPoint(frozenset())
    experts = last.approvals.values("expert")
    approved = round_.candidates.filter(expert__in=experts).values_list("pk", flat=True)
    kept = frozenset(approved)
    return StartingPoint(kept, earlier=last.round if kept else None)


def experts_chosen_last() -> frozenset[int]:
    """The keys of the experts that the last ratified decision admitted."""
    decision = (
        Decision.objects.filter(round__status=Round.Status.RATIFIED)
        .order_by("-round__opened_at")
        .first()
    )
    if decision is None:
        return frozenset()
    winners = Candidate.objects.filter(pk__in=decision.winner_ids)
    return frozenset(winners.values_list("expert_id", flat=True))
