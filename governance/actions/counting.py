"""The close, and the two counts: what the ballots say, found twice and independently."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from contributions.models import Expert
from governance import ballot_box, tally
from governance.actions.box import box_append, key_destroy
from governance.models import Ballot, BoxEntry, BoxHead, Decision, Proposal, Question, Round
from governance.models.round import ROUND_LIFECYCLE
from governance.recount import recount
from mosaic_site import live
from mosaic_site.lateness import late
from mosaic_site.ledger.chain import record
from mosaic_site.notices.actions import notify

Canonical = dict[str, Any]
"""An election as JSON, as `governance.tally` and `governance/recount.py` both read it."""


def round_close(*, round_: Round) -> None:
    """End the voting. The caller holds the round's row; casts wait at the box's."""
    head = BoxHead.objects.select_for_update().get(round=round_)
    ROUND_LIFECYCLE.require(round_.status, Round.Status.CLOSED)
    round_.status = Round.Status.CLOSED
    round_.save(update_fields=["status"])
    ballots = round_.ballots.count()
    box_append(
        round_=round_,
        kind=BoxEntry.Kind.CLOSE,
        payload={"ballots": ballots, "entries": head.length, "lot_seed": round_.lot_seed},
    )
    record(
        actor=None,
        action="round.closed",
        subject=round_,
        reason=late(round_.closes_at),
        data={"ballots": ballots},
    )
    live.announce(f"round.{round_.pk}")


def round_tally(*, round_: Round) -> None:
    """Count a closed round, or say that too few voted. The caller holds the round's row."""
    if round_.status == Round.Status.CLOSED:
        if round_.ballots.count() >= round_.quorum:
            count(round_=round_, without=[*_withdrawn(round_), *_retired(round_)])
        ROUND_LIFECYCLE.require(round_.status, Round.Status.TALLIED)
        round_.status = Round.Status.TALLIED
        round_.save(update_fields=["status"])
        return
    ballots = round_.ballots.count()
    if ballots < round_.quorum:
        target, action = Round.Status.NO_QUORUM, "round.no_quorum"
        round_.status_reason = (
            f"{ballots} {'ballot was' if ballots == 1 else 'ballots were'} cast "
            f"and {round_.quorum} are needed. The live release stays."
        )
        key_destroy(round_=round_)
        questions_reopen(round_=round_)
    else:
        target, action = Round.Status.PROVISIONAL, "round.tallied"
        round_.contest_ends_at = timezone.now() + round_.contest_lasts
    ROUND_LIFECYCLE.require(round_.status, target)
    round_.status = target
    round_.save(update_fields=["status", "status_reason", "contest_ends_at", "ballot_key"])
    record(actor=None, action=action, subject=round_, data={"ballots": ballots})
    tell_electors(
        round_=round_,
        kind="round.result",
        text=(
            f"“{round_}” ended without a quorum."
            if ballots < round_.quorum
            else f"The result of “{round_}” is there."
        ),
    )
    live.announce(f"round.{round_.pk}")
    live.announce("rounds")


def questions_reopen(*, round_: Round) -> None:
    """Nothing was decided: the questions of a round can stand in the next one."""
    Proposal.objects.filter(questions__round=round_, status=Proposal.Status.ON_BALLOT).update(
        status=Proposal.Status.OPEN
    )


def tell_electors(*, round_: Round, kind: str, text: str, only_idle: bool = False) -> None:
    """A notice to everybody who may vote in a round, or only to those who have not."""
    electors = round_.electors.filter(voted=False) if only_idle else round_.electors.all()
    notify(
        members=electors.values_list("member_id", flat=True),
        kind=kind,
        text=text,
        url=round_.get_absolute_url(),
        key=f"{kind}:{round_.pk}",
    )


def count(*, round_: Round, without: Sequence[Mapping[str, Any]]) -> Decision:
    """Count the frozen ballots, twice; the result stands instead of an earlier one.

    `without`: {"candidate": key, "why": sentence} for each candidate that is left out.
    """
    with transaction.atomic():
        number = round_.decisions.count() + 1
        round_.decisions.filter(stands=True).update(stands=False)
        ballots = list(round_.ballots.order_by("receipt"))
        experts = expert_election(round_, ballots, [str(one["candidate"]) for one in without])
        questions = []
        for question in round_.questions.all():
            election = question_election(question, ballots)
            result = tally.count(election)
            questions.append(
                {"id": str(question.pk), "result": result, "recount": recount(election)}
            )
        result = tally.count(experts)
        more = {one["id"]: one["more_supporters_needed"] for one in result["losers"]}
        at_once = tally.asks_at_once(tally.Election.from_dict(experts))
        decision = Decision.objects.create(
            round=round_,
            number=number,
            result=result,
            more_supporters=more if at_once else {},
            to_ask=[] if at_once else list(more),
            recount=recount(experts),
            questions=questions,
            without=[dict(one) for one in without],
        )
        decision.groups = _groups(round_, ballots, decision.winner_ids)
        decision.save(update_fields=["groups"])
        box_append(
            round_=round_,
            kind=BoxEntry.Kind.RESULT,
            payload={
                "tally": number,
                "winners": decision.recount,
                "passed": [str(pk) for pk in decision.passed],
                "without": [str(one["candidate"]) for one in without],
            },
        )
    return decision


def losers_explain() -> None:
    """Find how many more supporters would have carried one more loser of a large election.

    The election is counted several times for it, with nothing locked.
    """
    decision = Decision.objects.unexplained().select_related("round").first()
    if decision is None:
        return
    loser = decision.to_ask[0]
    without = [str(one["candidate"]) for one in decision.without]
    ballots = list(decision.round.ballots.order_by("receipt"))
    election = tally.Election.from_dict(expert_election(decision.round, ballots, without))
    more = tally.more_supporters(election, decision.result, loser)
    with transaction.atomic():
        decision = Decision.objects.select_for_update().get(pk=decision.pk)
        if loser in decision.to_ask:
            decision.to_ask.remove(loser)
            decision.more_supporters[loser] = more
            decision.save(update_fields=["to_ask", "more_supporters"])


def expert_election(round_: Round, ballots: Sequence[Ballot], without: Sequence[str]) -> Canonical:
    """The election of the experts, ballots in order of their receipts."""
    return {
        "format": "mosaic-election-1",
        "rule": round_.rule,
        "seed": round_.lot_seed,
        "budget": round_.budget_bytes,
        "floor": round_.floor,
        "candidates": [
            {"id": str(one.pk), "cost": one.cost_bytes} for one in round_.candidates.order_by("id")
        ],
        "without": sorted(without),
        "ballots": [sorted(str(pk) for pk in ballot.approvals) for ballot in ballots],
    }


def question_election(question: Question, ballots: Sequence[Ballot]) -> Canonical:
    """A yes/no question: what each ballot answers that answers it at all."""
    answers = (ballot.answers.get(question.pk) for ballot in ballots)
    return {
        "format": "mosaic-election-1",
        "rule": "yes-no",
        "question": str(question.pk),
        "threshold": question.threshold,
        "quorum": question.quorum,
        "ballots": [answer for answer in answers if answer],
    }


def _groups(
    round_: Round, ballots: Sequence[Ballot], winners: Sequence[int]
) -> list[dict[str, Any]]:
    """How many voters of each declared group approved of a winner; small groups are left out."""
    chosen = {ballot.voter: ballot.approvals for ballot in ballots}
    voters: dict[str, list[bool]] = {}
    grouped = round_.electors.filter(voted=True, member__group__isnull=False)
    for member, group in grouped.values_list("member", "member__group__name"):
        approved = chosen.get(ballot_box.pseudonym(round_.ballot_key, member), frozenset())
        voters.setdefault(group, []).append(bool(approved & set(winners)))
    return [
        {"group": group, "voters": len(served), "served": sum(served)}
        for group, served in sorted(voters.items())
        if len(served) >= Decision.GROUP_AT_LEAST
    ]


def _withdrawn(round_: Round) -> list[dict[str, Any]]:
    gone = round_.candidates.exclude(expert__status=Expert.Status.ELIGIBLE)
    return [
        {"candidate": pk, "why": "It was withdrawn before the close, so it was not counted."}
        for pk in gone.values_list("pk", flat=True)
    ]


def _retired(round_: Round) -> list[dict[str, Any]]:
    """Candidates that a question of this same round takes out, as its ballots say."""
    ballots = list(round_.ballots.order_by("receipt"))
    standing = {
        one.expert_id: one.pk
        for one in round_.candidates.filter(expert__status=Expert.Status.ELIGIBLE)
    }
    return [
        {
            "candidate": standing[question.proposal.expert_id],
            "why": f"The members answered “{question}” with yes, so it was not counted.",
        }
        for question in round_.questions.select_related("proposal", "version")
        if question.proposal.expert_id in standing
        and recount(question_election(question, ballots)) == ["yes"]
    ]
