"""A round's way to the vote: planned, discussed, frozen, opened. The clock moves it on."""

import secrets
import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from contributions.models import Expert
from governance import ballot_box
from governance.actions.box import box_append, box_show
from governance.actions.counting import (
    questions_reopen,
    round_close,
    round_tally,
    tell_electors,
)
from governance.actions.proposals import proposals_for_eligible
from governance.models import BoxEntry, BoxHead, Candidate, Elector, Proposal, Question, Round
from governance.models.proposal import PROPOSAL_LIFECYCLE
from governance.models.round import ROUND_LIFECYCLE
from mosaic_site import clock, live
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused
from mosaic_site.lateness import late
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User

A_DAY = timedelta(days=1)


def round_schedule(
    *,
    steward: User,
    title: str,
    budget_bytes: int,
    quorum: int,
    opens_at: datetime,
    closes_at: datetime,
    discussion_at: datetime | None = None,
    freezes_at: datetime | None = None,
    contest_lasts: timedelta = timedelta(0),
    once: uuid.UUID | None = None,
) -> Round:
    """Plan a round. What is due already happens at once.

    Without other times it is discussed from now on, and frozen as it opens.
    """
    once = once or uuid.uuid4()
    now = clock.now()
    if closes_at <= max(now, opens_at):
        raise Refused("The close lies in the past, or before the opening. Choose a later time.")
    _require_sense(budget_bytes=budget_bytes, quorum=quorum, opens_now=opens_at <= now)
    try:
        with transaction.atomic():
            # Where two clicks race, the second waits here for the first, and finds its row.
            round_, created = Round.objects.get_or_create(
                once=once,
                defaults={
                    "title": title,
                    "opened_by": steward,
                    "budget_bytes": budget_bytes,
                    "quorum": quorum,
                    "discussion_at": discussion_at or min(now, freezes_at or opens_at),
                    "freezes_at": freezes_at or opens_at,
                    "opens_at": opens_at,
                    "closes_at": closes_at,
                    "contest_lasts": contest_lasts,
                },
            )
            if not created:
                return round_
            record(
                actor=steward,
                action="round.scheduled",
                subject=round_,
                data={
                    "budget_bytes": budget_bytes,
                    "quorum": quorum,
                    "opens_at": opens_at.isoformat(),
                    "closes_at": closes_at.isoformat(),
                },
            )
            while _step(round_):
                pass
            live.announce("rounds")
    except IntegrityError as error:
        raise Refused("A round is open already. Wait for its close.") from error
    return round_


def round_open(
    *,
    steward: User,
    title: str,
    budget_bytes: int,
    quorum: int,
    closes_at: datetime,
    once: uuid.UUID | None = None,
) -> Round:
    """Freeze and open a round now."""
    return round_schedule(
        steward=steward,
        title=title,
        budget_bytes=budget_bytes,
        quorum=quorum,
        opens_at=clock.now(),
        closes_at=closes_at,
        once=once,
    )


def _require_sense(*, budget_bytes: int, quorum: int, opens_now: bool) -> None:
    """Refuse what could never come to a result, as far as that is known now."""
    costs = list(Expert.objects.for_ballot().values_list("adapter_bytes", flat=True))
    if opens_now and not costs and not Proposal.objects.ready().exists():
        raise Refused(
            "No expert on the active base is eligible yet: a round needs something to vote on."
        )
    if costs and budget_bytes < min(costs):
        raise Refused(
            f"With this budget nobody could join: the cheapest expert costs {mib(min(costs))}."
        )
    members = User.objects.filter(is_active=True).count()
    if not 1 <= quorum <= members:
        raise Refused(f"The quorum must be between 1 and {members}, the number of members.")


def round_change(
    *, steward: User, round_: Round, title: str, budget_bytes: int, quorum: int
) -> Round:
    """Change the plan of a round that is not frozen yet."""
    with transaction.atomic():
        round_ = Round.objects.select_for_update().get(pk=round_.pk)
        if not round_.takes_changes:
            raise Refused("This round is frozen: nothing of it changes any more, whoever asks.")
        _require_sense(budget_bytes=budget_bytes, quorum=quorum, opens_now=False)
        round_.title, round_.budget_bytes, round_.quorum = title, budget_bytes, quorum
        round_.save(update_fields=["title", "budget_bytes", "quorum"])
        record(
            actor=steward,
            action="round.changed",
            subject=round_,
            data={"budget_bytes": budget_bytes, "quorum": quorum},
        )
        live.announce(f"round.{round_.pk}")
    return round_


def round_cancel(*, steward: User, round_: Round, reason: str) -> Round:
    """Annul a round before anybody could vote in it."""
    if not reason.strip():
        raise Refused("Give a public reason for calling this round off.")
    with transaction.atomic():
        round_ = Round.objects.select_for_update().get(pk=round_.pk)
        if round_.status not in Round.TO_COME:
            raise Refused(
                "Voting has begun, so this round runs its course. "
                "Its result can be contested when it is there."
            )
        _annul(round_, reason)
        round_.settled_by, round_.settled_at = steward, timezone.now()
        round_.save()
        record(actor=steward, action="round.annulled", subject=round_, reason=reason)
    return round_


def _annul(round_: Round, reason: str) -> None:
    ROUND_LIFECYCLE.require(round_.status, Round.Status.ANNULLED)
    round_.status, round_.status_reason, round_.ballot_key = Round.Status.ANNULLED, reason, ""
    round_.save(update_fields=["status", "status_reason", "ballot_key"])
    questions_reopen(round_=round_)
    live.announce(f"round.{round_.pk}")
    live.announce("rounds")


def round_advance(*, round_id: int) -> Round:
    """Move a round on as far as the clock allows, step by step; a second call finds it there."""
    while True:
        try:
            with transaction.atomic():
                # `no_key`: a cast that holds the box refers to this row, and is not to wait for it.
                round_ = Round.objects.select_for_update(no_key=True).get(pk=round_id)
                if not _step(round_):
                    return round_
        except IntegrityError:
            round_ = Round.objects.get(pk=round_id)
            if round_.status != Round.Status.FROZEN:
                raise
            return round_  # another round is open still; this one opens when it has closed


def _step(round_: Round) -> bool:
    """The next step, if it is due. The caller holds the row."""
    now = clock.now()
    match round_.status:
        case Round.Status.SCHEDULED if now >= round_.discussion_at:
            _move(round_, Round.Status.DISCUSSION, "round.discussed", round_.discussion_at)
        case Round.Status.DISCUSSION if now >= round_.freezes_at:
            _freeze(round_)
        case Round.Status.FROZEN if now >= round_.opens_at:
            _move(round_, Round.Status.OPEN, "round.opened", round_.opens_at)
            tell_electors(
                round_=round_, kind="round.open", text=f"Voting is open: “{round_}”. You can vote."
            )
        case Round.Status.OPEN if now >= round_.closes_at:
            round_close(round_=round_)
        case Round.Status.OPEN if box_show(round_=round_, now=now):
            pass
        case Round.Status.OPEN if _should_remind(round_, now):
            round_.reminded_at = now
            round_.save(update_fields=["reminded_at"])
            tell_electors(
                round_=round_,
                kind="round.last_day",
                text=f"“{round_}” closes within a day, and you have not voted.",
                only_idle=True,
            )
        case Round.Status.CLOSED | Round.Status.TALLIED:
            round_tally(round_=round_)
        case _:
            return False
    return True


def _should_remind(round_: Round, now: datetime) -> bool:
    """A day before the close, once; not in a vote that lasts no longer than that."""
    reminder = round_.closes_at - A_DAY
    return round_.reminded_at is None and round_.opens_at < reminder <= now


def _move(round_: Round, target: Round.Status, action: str, due: datetime) -> None:
    ROUND_LIFECYCLE.require(round_.status, target)
    round_.status = target
    round_.save(update_fields=["status"])
    record(actor=None, action=action, subject=round_, reason=late(due))
    live.announce(f"round.{round_.pk}")
    live.announce("rounds")


def _freeze(round_: Round) -> None:
    """Fix what is voted on, by whom, and how it will be counted. Nothing to vote on: annul."""
    experts = list(Expert.objects.for_ballot().order_by("id"))
    proposals = list(Proposal.objects.ready().select_for_update().order_by("id"))
    if not experts and not proposals:
        reason = "There was nothing to vote on: no eligible expert, no endorsed question."
        _annul(round_, reason)
        record(actor=None, action="round.annulled", subject=round_, reason=reason)
        return
    electors = [
        Elector(round=round_, member_id=pk, salt=secrets.token_hex(16))
        for pk in User.objects.filter(is_active=True).values_list("pk", flat=True)
    ]
    Elector.objects.bulk_create(electors, batch_size=1000)
    candidates = Candidate.objects.bulk_create(
        Candidate(
            round=round_,
            expert=expert,
            adapter_sha256=expert.adapter_sha256,
            cost_bytes=expert.adapter_bytes,
        )
        for expert in experts
    )
    round_.quorum = min(round_.quorum, len(electors))
    questions = [_question(round_, proposal) for proposal in proposals]
    round_.lot_seed = secrets.token_hex(32)
    round_.ballot_key = secrets.token_hex(32)
    round_.electors_root = ballot_box.electors_root(one.public_id for one in electors)
    ROUND_LIFECYCLE.require(round_.status, Round.Status.FROZEN)
    round_.status = Round.Status.FROZEN
    round_.save()
    setup = {
        "round": round_.pk,
        "title": round_.title,
        "rule": round_.rule,
        "floor": round_.floor,
        "budget": round_.budget_bytes,
        "quorum": round_.quorum,
        "candidates": [
            {
                "id": str(one.pk),
                "name": one.expert.name,
                "adapter_sha256": one.adapter_sha256,
                "cost": one.cost_bytes,
            }
            for one in candidates
        ],
        "questions": [
            {
                "id": str(one.pk),
                "title": one.version.title,
                "sha256": one.version.sha256,
                "threshold": one.threshold,
                "quorum": one.quorum,
                "retires": _retires(one, candidates),
            }
            for one in questions
        ],
        "electors": len(electors),
        "electors_root": round_.electors_root,
        "lot_commitment": round_.lot_commitment,
        "opens_at": round_.opens_at.isoformat(),
        "closes_at": round_.closes_at.isoformat(),
    }
    entry = box_append(round_=round_, kind=BoxEntry.Kind.SETUP, payload=setup)
    # With fewer electors no ballot is ever published, so that there is nothing to find out.
    BoxHead.objects.filter(round=round_).update(
        batched=len(electors) >= Round.ADVISORY_BELOW, shown_length=1, shown_hash=entry.hash
    )
    record(
        actor=None,
        action="round.frozen",
        subject=round_,
        reason=late(round_.freezes_at),
        data={
            "setup": entry.hash,
            "candidates": len(candidates),
            "electors": len(electors),
            "electors_root": round_.electors_root,
            "lot_commitment": round_.lot_commitment,
        },
    )
    live.announce(f"round.{round_.pk}")
    live.announce("rounds")


def _question(round_: Round, proposal: Proposal) -> Question:
    version = proposal.versions.first()
    assert version is not None  # a proposal is made with its first version
    PROPOSAL_LIFECYCLE.require(proposal.status, Proposal.Status.ON_BALLOT)
    Proposal.objects.filter(pk=proposal.pk).update(status=Proposal.Status.ON_BALLOT)
    return Question.objects.create(
        round=round_,
        proposal=proposal,
        version=version,
        threshold=proposal.threshold,
        quorum=round_.quorum,
    )


def _retires(question: Question, candidates: list[Candidate]) -> str | None:
    """The candidate that a yes takes out of the count, if any."""
    expert = question.proposal.expert_id
    return next((str(one.pk) for one in candidates if one.expert_id == expert), None)


def reconcile() -> None:
    """Move on whatever the clock says, and see that every eligible expert has its proposal."""
    proposals_for_eligible()
    for round_id in Round.objects.under_way().values_list("pk", flat=True):
        round_advance(round_id=round_id)
