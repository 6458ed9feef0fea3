"""A round's way: opened, voted in, closed by the clock and tallied, ratified or vetoed."""

import secrets
import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from contributions.models import Expert
from governance.models import Ballot, Candidate, Decision, Elector, Round
from governance.models.round import ROUND_LIFECYCLE
from governance.tally import Candidate as TallyCandidate
from governance.tally import Election, equal_shares
from mosaic_site import live
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User


def round_open(
    *,
    steward: User,
    title: str,
    budget_bytes: int,
    quorum: int,
    closes_at: datetime,
    once: uuid.UUID | None = None,
) -> Round:
    """Freeze candidates, costs, budget, electorate and quorum, and take ballots until the close."""
    once = once or uuid.uuid4()
    now = timezone.now()
    if closes_at <= now:
        raise Refused("The close lies in the past. Choose a later time.")
    try:
        with transaction.atomic():
            existing = Round.objects.filter(once=once).first()
            if existing is not None:
                return existing
            experts = list(Expert.objects.for_ballot().order_by("id"))
            if not experts:
                raise Refused(
                    "No expert on the active base is eligible yet: "
                    "a round needs something to vote on."
                )
            cheapest = min(expert.adapter_bytes for expert in experts)
            if budget_bytes < cheapest:
                raise Refused(
                    "With this budget nobody could join: "
                    f"the cheapest expert costs {mib(cheapest)}."
                )
            electors = list(User.objects.filter(is_active=True, date_joined__lte=now))
            if not 1 <= quorum <= len(electors):
                raise Refused(
                    f"The quorum must be between 1 and {len(electors)}, the number of members."
                )
            round_ = Round.objects.create(
                title=title,
                opened_by=steward,
                budget_bytes=budget_bytes,
                quorum=quorum,
                opened_at=now,
                closes_at=closes_at,
                lot_seed=secrets.token_hex(32),
                once=once,
            )
            Candidate.objects.bulk_create(
                Candidate(
                    round=round_,
                    expert=expert,
                    adapter_sha256=expert.adapter_sha256,
                    cost_bytes=expert.adapter_bytes,
                )
                for expert in experts
            )
            Elector.objects.bulk_create(
                Elector(round=round_, member=elector) for elector in electors
            )
            record(
                actor=steward,
                action="round.opened",
                subject=round_,
                data={
                    "candidates": [[e.name, e.adapter_sha256, e.adapter_bytes] for e in experts],
                    "budget_bytes": budget_bytes,
                    "quorum": quorum,
                    "electors": len(electors),
                    "closes_at": closes_at.isoformat(),
                    "lot_commitment": round_.lot_commitment,
                },
            )
            live.announce("rounds")
    except IntegrityError as error:
        existing = Round.objects.filter(once=once).first()
        if existing is not None:  # the other click of a double click was quicker
            return existing
        raise Refused("A round is open already. Wait for its close.") from error
    return round_


def ballot_cast(*, voter: User, round_: Round, approvals: Collection[int]) -> Ballot:
    """Cast or change a ballot: the primary keys of the candidates approved; none is an empty one.

    Raises Refused after the close, for a person who may not vote, and for a candidate that does
    not stand in this round.
    """
    with transaction.atomic():
        # The row lock makes a cast and the close wait for each other: no late ballot slips in.
        round_ = Round.objects.select_for_update().get(pk=round_.pk)
        if refusal := round_.refusal_for(voter):
            raise Refused(refusal)
        candidates = list(round_.candidates.filter(pk__in=approvals))
        if len(candidates) != len(set(approvals)):
            raise Refused("One of the experts you approved does not stand in this round.")
        now = timezone.now()
        ballot, created = Ballot.objects.select_for_update().get_or_create(
            round=round_, voter=voter, defaults={"cast_at": now}
        )
        if not created:
            if set(ballot.approvals.all()) == set(candidates):
                return ballot  # a second click, or the same choice again: nothing to record
            ballot.cast_at, ballot.revision = now, ballot.revision + 1
            ballot.save(update_fields=["cast_at", "revision"])
        ballot.approvals.set(candidates)
        # That somebody voted is public; what they approved is not.
        record(actor=voter, action="ballot.cast", subject=round_)
        live.announce(f"round.{round_.pk}")
    return ballot


def _election(round_: Round, ballots: list[Ballot]) -> Election:
    """What is counted. An expert that has left since the opening stands no more."""
    standing = {
        candidate.pk: candidate.cost_bytes
        for candidate in round_.candidates.filter(expert__in=Expert.objects.eligible())
    }
    return Election(
        candidates=tuple(TallyCandidate(id=str(pk), cost=cost) for pk, cost in standing.items()),
        ballots=tuple(
            frozenset(
                str(approved.pk) for approved in ballot.approvals.all() if approved.pk in standing
            )
            for ballot in ballots
        ),
        budget=round_.budget_bytes,
        seed=round_.lot_seed,
    )


def round_close(*, round_id: int) -> Round:
    """Close a round whose time is over and tally it. A second call finds it closed."""
    with transaction.atomic():
        round_ = Round.objects.select_for_update().get(pk=round_id)
        if round_.status != Round.Status.OPEN or timezone.now() < round_.closes_at:
            return round_
        ballots = list(round_.ballots.prefetch_related("approvals").order_by("pk"))
        if len(ballots) < round_.quorum:
            target, action = Round.Status.NO_QUORUM, "round.no_quorum"
            round_.status_reason = (
                f"{len(ballots)} {'ballot was' if len(ballots) == 1 else 'ballots were'} cast "
                f"and {round_.quorum} are needed. "
                "The live release stays."
            )
            data: dict[str, object] = {"ballots": len(ballots), "quorum": round_.quorum}
        else:
            target, action = Round.Status.PROVISIONAL, "round.tallied"
            result = equal_shares(_election(round_, ballots)).to_dict()
            Decision.objects.create(
                round=round_, result=result, voters=[ballot.voter_id for ballot in ballots]
            )
            data = {
                "ballots": len(ballots),
                "winners": [winner["id"] for winner in result["winners"]],
                "lot_seed": round_.lot_seed,
            }
        ROUND_LIFECYCLE.require(round_.status, target)
        round_.status = target
        round_.save(update_fields=["status", "status_reason"])
        record(actor=None, action=action, subject=round_, data=data)
        live.announce(f"round.{round_.pk}")
        live.announce("rounds")
    return round_


def _settle(round_: Round, target: str, *, steward: User, action: str, reason: str) -> Round:
    with transaction.atomic():
        round_ = Round.objects.select_for_update().get(pk=round_.pk)
        if round_.status == target and round_.settled_by == steward:
            return round_  # the second click of a double click
        ROUND_LIFECYCLE.require(round_.status, target)
        round_.status, round_.status_reason = target, reason
        round_.settled_by, round_.settled_at = steward, timezone.now()
        round_.save()
        record(actor=steward, action=action, subject=round_, reason=reason)
        live.announce(f"round.{round_.pk}")
        live.announce("rounds")
        live.nudge("training_workers")
    return round_


def round_ratify(*, steward: User, round_: Round, reason: str = "") -> Round:
    """Accept a provisional result: the workers compose a release of its winners."""
    return _settle(
        round_, Round.Status.RATIFIED, steward=steward, action="round.ratified", reason=reason
    )


def round_veto(*, steward: User, round_: Round, reason: str) -> Round:
    """Reject a provisional result, with a public reason. The live release stays."""
    if not reason.strip():
        raise Refused("A veto needs a public reason.")
    return _settle(
        round_, Round.Status.VETOED, steward=steward, action="round.vetoed", reason=reason
    )


def reconcile() -> None:
    """Close every round whose time is over."""
    for round_id in Round.objects.due().values_list("pk", flat=True):
        round_close(round_id=round_id)
