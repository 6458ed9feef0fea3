"""What stewards do about what members report: a comment, a proposal or a slate."""

from collections.abc import Collection
from datetime import datetime

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from governance.actions.limits import require_pause
from governance.models import Comment, Proposal, Report, Round, Slate, Thing
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify


class Ground(models.TextChoices):
    """Why something may be removed. There is no other ground."""

    SPAM = "spam", "spam"
    INSULT = "insult", "insult or threat"
    PERSONAL = "personal", "personal data"
    OFF_TOPIC = "off_topic", "off topic"
    LAW = "law", "breaks a law"


def report_make(*, member: User, thing: Thing, reason: str) -> Report:
    """Ask the stewards to look at something; or, as its author, to look again at its removal.

    Once a member: a second click finds the first report. Raises Refused for more than
    `MOSAIC_REPORTS_AN_HOUR`.
    """
    if not reason.strip():
        raise Refused("Say what is wrong, so that a steward can judge it.")
    with transaction.atomic():
        thing = _locked(thing)
        existing = thing.reports.filter(member=member).first()
        if existing is not None and not existing.answer:
            return existing
        if existing is not None:
            raise Refused(f"You asked about this {thing.noun} before, and a steward has answered.")
        own = thing.author_id == member.pk
        if own and thing.removed_at is None:
            raise Refused(f"This is your own {thing.noun}: you can take it back yourself.")
        if own and thing.removed_by_id == member.pk:
            raise Refused(f"You took this {thing.noun} back yourself. You can write it again.")
        if not own and thing.removed_at is not None:
            raise Refused(f"This {thing.noun} is removed already.")
        require_pause(
            member,
            Report.objects.filter(member=member),
            most=settings.MOSAIC_REPORTS_AN_HOUR,
            things="reports",
        )
        report = thing.reports.create(member=member, reason=reason)
        stewards = User.objects.filter(is_active=True, role=User.Role.STEWARD)
        notify(
            members=set(stewards.values_list("pk", flat=True)) - {member.pk},
            kind="comment.reported",
            text=f"A {thing.about} waits for a steward's answer.",
            url=thing.moderation_url,
            key=f"{thing.noun}.{thing.pk}.reported.{report.pk}",
        )
        live.announce("desk")
    return report


def report_answer(
    *, steward: User, thing: Thing, remove: bool, reason: str, ground: str = ""
) -> Thing:
    """Judge something, reported or not, with a public reason; this answers all open reports.

    Removing needs one of the grounds. Keeping what was removed puts it back. Whoever wrote it or
    removed it does not judge it, as long as there is another steward.
    """
    if not reason.strip():
        raise Refused("Every answer needs a public reason.")
    if remove and ground not in Ground.values:
        raise Refused(f"A {thing.noun} is removed only on one of the grounds on the list.")
    with transaction.atomic():
        thing = _locked(thing)
        was_removed, now = thing.removed_at is not None, timezone.now()
        waiting = thing.reports.filter(answer="")
        reporters = set(waiting.values_list("member_id", flat=True))
        if not reporters and (was_removed or not remove):
            raise Refused(
                f"Nobody waits for an answer about this {thing.noun}: it is as it should be."
            )
        _require_other_eyes(steward, thing)
        about = thing.about
        if remove and not was_removed:
            why = f"{Ground(ground).label}: {reason}"
            take_from_sight(thing, by=steward, reason=why, ground=ground)
        elif remove:
            _record(thing, steward, verb="removal_upheld", reason=reason)
        elif was_removed:
            _put_back(thing, by=steward, reason=reason)
        else:
            _record(thing, steward, verb="kept", reason=reason)
        waiting.update(
            answer="removed" if remove else "kept",
            answer_reason=reason,
            answered_by=steward,
            answered_at=now,
        )
        what = f"{about} {'was removed' if remove else 'stands'}: {reason}"
        _tell(thing, reporters, what=what, answered_at=now)
        live.announce("desk")
    return thing


def take_from_sight(thing: Thing, *, by: User, reason: str, ground: str = "") -> None:
    """In the caller's transaction: by its author, or by a steward on one of the grounds."""
    thing.removed_at, thing.removed_by, thing.removal_reason = timezone.now(), by, reason
    _save(thing)
    _record(thing, by, verb="removed", reason=reason, ground=ground)


def _put_back(thing: Thing, *, by: User, reason: str) -> None:
    thing.removed_at, thing.removed_by, thing.removal_reason = None, None, ""
    _save(thing)
    _record(thing, by, verb="restored", reason=reason)


def _save(thing: Thing) -> None:
    thing.save(update_fields=["removed_at", "removed_by", "removal_reason"])
    page = _page(thing)
    live.announce(f"{'round' if isinstance(page, Round) else 'proposal'}.{page.pk}")


def _page(thing: Thing) -> Proposal | Round:
    """Where people read it, and in whose name the ledger has it: a slate may be taken back."""
    match thing:
        case Comment():
            return thing.proposal
        case Slate():
            return thing.round
        case _:
            return thing


def _locked(thing: Thing) -> Thing:
    return type(thing).objects.select_for_update().get(pk=thing.pk)


def _require_other_eyes(steward: User, thing: Thing) -> None:
    others = User.objects.filter(is_active=True, role=User.Role.STEWARD).exclude(pk=steward.pk)
    if steward.pk in (thing.author_id, thing.removed_by_id) and others.exists():
        raise Refused(f"You wrote or removed this {thing.noun}, so another steward judges it.")


def _record(thing: Thing, actor: User, *, verb: str, reason: str, ground: str = "") -> None:
    action = f"{thing.noun}.{verb}"
    record(
        actor=actor,
        action=action,
        subject=_page(thing),
        reason=reason,
        data={thing.noun: thing.pk, "ground": ground},
    )


def _tell(thing: Thing, reporters: Collection[int], *, what: str, answered_at: datetime) -> None:
    """Tell the author what became of it, and those who reported it."""
    key = f"{thing.noun}.{thing.pk}.answered.{answered_at.isoformat()}"
    url = thing.moderation_url
    for members, text in (
        ({thing.author_id}, f"Your {what}"),
        (set(reporters) - {thing.author_id}, f"The {what} (you reported it)"),
    ):
        notify(members=members, kind="comment.answered", text=text, url=url, key=key)
