"""What follows a count: contested, counted again without an expert, annulled, or ratified."""

import uuid

from django.db import transaction
from django.utils import timezone

from contributions.actions import expert_retire
from contributions.models import Expert
from governance.actions.box import key_destroy
from governance.actions.counting import count, questions_reopen
from governance.models import Candidate, Decision, Proposal, Round, Veto
from governance.models.round import ROUND_LIFECYCLE
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify


def _provisional(pk: int) -> tuple[Round, Decision]:
    """The round, locked, and what stands. Raises Refused where it is not provisional."""
    round_ = Round.objects.select_for_update().get(pk=pk)
    decision = round_.outcome
    if decision is None or round_.status != Round.Status.PROVISIONAL:
        raise Refused(
            f"This round is {round_.get_status_display()} now: only a provisional result can be "
            "settled. Somebody, or a second click, may have been quicker."
        )
    return round_, decision


def _finish(round_: Round, target: Round.Status, *, steward: User, reason: str) -> None:
    ROUND_LIFECYCLE.require(round_.status, target)
    round_.status, round_.status_reason = target, reason
    round_.settled_by, round_.settled_at = steward, timezone.now()
    key_destroy(round_=round_)
    round_.save()
    live.announce(f"round.{round_.pk}")
    live.announce("rounds")


def round_ratify(*, steward: User, round_: Round, reason: str = "") -> Round:
    """Accept a provisional result: the workers compose a release of its winners.

    Refused while it can be contested, while a veto waits for a second steward, and where the two
    counts differ.
    """
    with transaction.atomic():
        again = Round.objects.get(pk=round_.pk)
        if again.status == Round.Status.RATIFIED and again.settled_by == steward:
            return again  # the second click of a double click
        round_, decision = _provisional(round_.pk)
        if round_.can_be_contested:
            raise Refused(
                "The result can still be contested, until "
                f"{round_.contest_ends_at:%d %b %Y, %H:%M} UTC. Ratify it after that."
            )
        veto = round_.vetoes.waiting().last()
        if veto is not None:
            raise Refused(
                f"A veto by {veto.moved_by.display_name} waits for a second steward. The result "
                "can be ratified once it is withdrawn, or lapses on "
                f"{veto.lapses_at:%d %b %Y, %H:%M} UTC."
            )
        if not decision.both_agree:
            raise Refused(
                "The two counts of this round differ, so it cannot be ratified. "
                "Run audit_round and find out which of them is wrong."
            )
        _finish(round_, Round.Status.RATIFIED, steward=steward, reason=reason)
        record(
            actor=steward,
            action="round.ratified",
            subject=round_,
            reason=reason,
            data={"winners": decision.recount, "tally": decision.number},
        )
        _carry_out(round_, decision)
        live.nudge("training_workers")
    return round_


def _carry_out(round_: Round, decision: Decision) -> None:
    """Retire the experts that the members voted out; the questions of the round are decided."""
    passed = set(decision.passed)
    for question in round_.questions.select_related("proposal__expert", "version"):
        expert = question.proposal.expert
        if question.pk in passed and expert and expert.status == Expert.Status.ELIGIBLE:
            expert_retire(expert=expert, reason=f"Retired by the vote in “{round_}”.")
        Proposal.objects.filter(pk=question.proposal_id).update(
            status=Proposal.Status.DECIDED,
            status_reason="Adopted." if question.pk in passed else "Not adopted.",
        )


def veto_move(
    *,
    steward: User,
    round_: Round,
    candidate: Candidate | None,
    ground: str,
    reason: str,
    once: uuid.UUID | None = None,
) -> Veto:
    """Ask to count again without an expert, or (no candidate) to annul the whole round.

    It takes effect when another steward joins; until then it holds up the ratifying, for
    `Veto.LASTS` at most. Each steward can move one a count, so nobody alone blocks for longer.
    """
    if not reason.strip():
        raise Refused("A veto needs a public reason.")
    if ground not in Veto.Ground.values:
        raise Refused("A veto needs one of the grounds on the list.")
    once = once or uuid.uuid4()
    with transaction.atomic():
        existing = Veto.objects.filter(once=once).first()
        if existing is not None:
            return existing
        round_, decision = _provisional(round_.pk)
        if candidate is not None and candidate.pk not in decision.winner_ids:
            raise Refused(f"{candidate} is not among the winners, so there is nothing to veto.")
        if round_.vetoes.waiting().filter(candidate=candidate).exists():
            raise Refused("This veto is moved already; it waits for a second steward.")
        if round_.vetoes.filter(moved_by=steward, moved_at__gte=decision.created_at).exists():
            raise Refused(
                "You moved a veto against this count before. A steward moves one a count: another "
                "steward can move the next."
            )
        veto = Veto.objects.create(
            round=round_,
            candidate=candidate,
            ground=ground,
            reason=reason,
            moved_by=steward,
            once=once,
        )
        record(
            actor=steward,
            action="veto.moved",
            subject=round_,
            reason=reason,
            data={"candidate": candidate.pk if candidate else None, "ground": ground},
        )
        stewards = User.objects.filter(is_active=True, role=User.Role.STEWARD)
        notify(
            members=set(stewards.values_list("pk", flat=True)) - {steward.pk},
            kind="veto.moved",
            text=f"A veto against the result of “{round_}” waits for a second steward.",
            url=round_.get_absolute_url(),
            key=f"veto.{veto.pk}.moved",
        )
        live.announce(f"round.{round_.pk}")
        live.announce("desk")
    return veto


def veto_withdraw(*, steward: User, veto: Veto) -> Veto:
    """Take one's own veto back while it waits. A second click finds it withdrawn."""
    with transaction.atomic():
        round_, _ = _provisional(veto.round_id)
        veto = Veto.objects.select_for_update().get(pk=veto.pk)
        if veto.withdrawn_at is not None:
            return veto
        _require_waiting(veto)
        veto.withdrawn_at = timezone.now()
        veto.save(update_fields=["withdrawn_at"])
        record(
            actor=steward,
            action="veto.withdrawn",
            subject=round_,
            data={"candidate": veto.candidate_id, "ground": veto.ground},
        )
        live.announce(f"round.{round_.pk}")
    return veto


def _require_waiting(veto: Veto) -> None:
    if not veto.is_waiting:
        raise Refused("This veto waits no longer: it was joined or withdrawn, or it has lapsed.")


def veto_second(*, steward: User, veto: Veto) -> Veto:
    """Join another steward's veto: now it takes effect."""
    with transaction.atomic():
        round_, decision = _provisional(veto.round_id)
        veto = Veto.objects.select_for_update().get(pk=veto.pk)
        if veto.seconded_at is not None:
            return veto
        if veto.moved_by_id == steward.pk:
            raise Refused("A veto needs two stewards: somebody else must join yours.")
        _require_waiting(veto)
        veto.seconded_by, veto.seconded_at = steward, timezone.now()
        veto.save(update_fields=["seconded_by", "seconded_at"])
        record(
            actor=steward,
            action="veto.seconded",
            subject=round_,
            reason=veto.reason,
            data={"candidate": veto.candidate_id, "ground": veto.ground},
        )
        if veto.candidate is None:
            _finish(round_, Round.Status.ANNULLED, steward=steward, reason=veto.reason)
            questions_reopen(round_=round_)
            record(actor=steward, action="round.annulled", subject=round_, reason=veto.reason)
        else:
            why = f"It was vetoed because {veto.get_ground_display()}: {veto.reason}"
            count(
                round_=round_,
                without=[*decision.without, {"candidate": veto.candidate_id, "why": why}],
            )
            round_.contest_ends_at = timezone.now() + round_.contest_lasts
            round_.save(update_fields=["contest_ends_at"])
            record(actor=None, action="round.counted_again", subject=round_)
            live.announce(f"round.{round_.pk}")
            live.announce("rounds")
    return veto
