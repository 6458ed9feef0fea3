"""The discussion of a proposal, and what stewards do about what breaks its rules."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from governance.actions.limits import require_pause
from governance.models import Comment, CommentReport, Proposal, ThreadMute
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify


class Ground(models.TextChoices):
    """Why a comment may be removed. There is no other ground."""

    SPAM = "spam", "spam"
    INSULT = "insult", "insult or threat"
    PERSONAL = "personal", "personal data"
    OFF_TOPIC = "off_topic", "off topic"
    LAW = "law", "breaks a law"


def comment_add(
    *, author: User, proposal: Proposal, text: str, once: uuid.UUID | None = None
) -> Comment:
    """Say something, and tell those concerned, each once a digest.

    Raises Refused where the discussion is over, and for more than `MOSAIC_COMMENTS_AN_HOUR`.
    """
    text = text.replace("\r\n", "\n").strip()
    if not text:
        raise Refused("There is nothing in this comment yet.")
    once = once or uuid.uuid4()
    with transaction.atomic():
        written = author.comments.all()
        require_pause(
            author,
            written.exclude(once=once),
            most=settings.MOSAIC_COMMENTS_AN_HOUR,
            things="comments",
        )
        existing = Comment.objects.filter(once=once, author=author).first()
        if existing is not None:
            return existing
        proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
        if not proposal.is_discussed:
            raise Refused(f"This proposal is {proposal.get_status_display()}: nobody comments now.")
        comment = Comment.objects.create(proposal=proposal, author=author, text=text, once=once)
        _tell_the_thread(comment)
        live.announce(f"proposal.{proposal.pk}")
    return comment


def thread_mute(*, member: User, proposal: Proposal, muted: bool) -> None:
    """Hear no more of a proposal's discussion, or again. The same twice changes nothing."""
    if muted:
        ThreadMute.objects.get_or_create(member=member, proposal=proposal)
    else:
        ThreadMute.objects.filter(member=member, proposal=proposal).delete()


def _tell_the_thread(comment: Comment) -> None:
    """The proposal's author and all who wrote below it: once until the next digest is sent."""
    proposal = comment.proposal
    concerned = {proposal.author_id, *proposal.comments.values_list("author", flat=True)}
    muted = proposal.mutes.values_list("member", flat=True)
    before_its_hour = timezone.localtime() - timedelta(hours=settings.MOSAIC_DIGEST_HOUR)
    notify(
        members=concerned - {comment.author_id, *muted},
        kind="comment.added",
        text=f"There is something new in the discussion of “{proposal}”.",
        url=f"{proposal.get_absolute_url()}#discussion",
        key=f"proposal.{proposal.pk}.discussed.{before_its_hour:%Y-%m-%d}",
    )


def comment_remove(*, author: User, comment: Comment) -> Comment:
    """Take back one's own comment. A second click finds it gone."""
    with transaction.atomic():
        comment = Comment.objects.select_for_update().get(pk=comment.pk)
        if comment.author_id != author.pk:
            raise Refused("Only a steward removes what somebody else said, with a reason.")
        if comment.removed_at is None:
            _remove(comment, by=author, reason="Taken back by its author.")
            comment.reports.filter(answer="").update(
                answer="removed",
                answer_reason=comment.removal_reason,
                answered_by=author,
                answered_at=comment.removed_at,
            )
    return comment


def comment_report(*, member: User, comment: Comment, reason: str) -> CommentReport:
    """Ask the stewards to look at a comment; or, as its author, to look again at its removal.

    Once a member: a second click finds the first report.
    """
    if not reason.strip():
        raise Refused("Say what is wrong, so that a steward can judge it.")
    with transaction.atomic():
        comment = Comment.objects.select_for_update().get(pk=comment.pk)
        existing = comment.reports.filter(member=member).first()
        if existing is not None and not existing.answer:
            return existing
        if existing is not None:
            raise Refused("You asked about this comment before, and a steward has answered.")
        own = comment.author_id == member.pk
        if own and comment.removed_at is None:
            raise Refused("This is your own comment: you can take it back yourself.")
        if own and comment.removed_by_id == member.pk:
            raise Refused("You took this comment back yourself. You can write it again.")
        if not own and comment.removed_at is not None:
            raise Refused("This comment is removed already.")
        require_pause(
            member,
            CommentReport.objects.filter(member=member),
            most=settings.MOSAIC_REPORTS_AN_HOUR,
            things="reports",
        )
        report = CommentReport.objects.create(comment=comment, member=member, reason=reason)
        stewards = User.objects.filter(is_active=True, role=User.Role.STEWARD)
        notify(
            members=set(stewards.values_list("pk", flat=True)) - {member.pk},
            kind="comment.reported",
            text=f"A comment on “{comment.proposal}” waits for a steward's answer.",
            url=comment.get_absolute_url(),
            key=f"comment.{comment.pk}.reported.{report.pk}",
        )
        live.announce("desk")
    return report


def report_answer(
    *, steward: User, comment: Comment, remove: bool, reason: str, ground: str = ""
) -> Comment:
    """Judge a comment, reported or not, with a public reason; this answers all open reports.

    Removing needs one of the grounds. Keeping what was removed puts it back. Whoever wrote the
    comment or removed it does not judge it, as long as there is another steward.
    """
    if not reason.strip():
        raise Refused("Every answer needs a public reason.")
    if remove and ground not in Ground.values:
        raise Refused("A comment is removed only on one of the grounds on the list.")
    with transaction.atomic():
        comment = Comment.objects.select_for_update().get(pk=comment.pk)
        was_removed, now = comment.removed_at is not None, timezone.now()
        waiting = comment.reports.filter(answer="")
        reporters = set(waiting.values_list("member_id", flat=True))
        if not reporters and (was_removed or not remove):
            raise Refused("Nobody waits for an answer about this comment: it is as it should be.")
        _require_other_eyes(steward, comment)
        if remove and not was_removed:
            _remove(comment, by=steward, reason=f"{Ground(ground).label}: {reason}", ground=ground)
        elif remove:
            _record(comment, steward, action="comment.removal_upheld", reason=reason)
        elif was_removed:
            _put_back(comment, by=steward, reason=reason)
        else:
            _record(comment, steward, action="comment.kept", reason=reason)
        waiting.update(
            answer="removed" if remove else "kept",
            answer_reason=reason,
            answered_by=steward,
            answered_at=now,
        )
        _tell(comment, reporters, removed=remove, reason=reason, answered_at=now)
        live.announce("desk")
    return comment


def _require_other_eyes(steward: User, comment: Comment) -> None:
    others = User.objects.filter(is_active=True, role=User.Role.STEWARD).exclude(pk=steward.pk)
    if steward.pk in (comment.author_id, comment.removed_by_id) and others.exists():
        raise Refused("You wrote or removed this comment, so another steward judges it.")


def _record(comment: Comment, actor: User, *, action: str, reason: str, ground: str = "") -> None:
    record(
        actor=actor,
        action=action,
        subject=comment.proposal,
        reason=reason,
        data={"comment": comment.pk, "ground": ground},
    )


def _remove(comment: Comment, *, by: User, reason: str, ground: str = "") -> None:
    comment.removed_at, comment.removed_by, comment.removal_reason = timezone.now(), by, reason
    comment.save(update_fields=["removed_at", "removed_by", "removal_reason"])
    _record(comment, by, action="comment.removed", reason=reason, ground=ground)
    live.announce(f"proposal.{comment.proposal_id}")


def _put_back(comment: Comment, *, by: User, reason: str) -> None:
    comment.removed_at, comment.removed_by, comment.removal_reason = None, None, ""
    comment.save(update_fields=["removed_at", "removed_by", "removal_reason"])
    _record(comment, by, action="comment.restored", reason=reason)
    live.announce(f"proposal.{comment.proposal_id}")


def _tell(
    comment: Comment, reporters: set[int], *, removed: bool, reason: str, answered_at: datetime
) -> None:
    """Tell the author what became of the comment, and those who reported it."""
    what = "was removed" if removed else "stands"
    about = f"on “{comment.proposal}” {what}: {reason}"
    key = f"comment.{comment.pk}.answered.{answered_at.isoformat()}"
    url = comment.get_absolute_url()
    notify(
        members=[comment.author_id],
        kind="comment.answered",
        text=f"Your comment {about}",
        url=url,
        key=key,
    )
    notify(
        members=reporters - {comment.author_id},
        kind="comment.answered",
        text=f"The comment that you reported {about}",
        url=url,
        key=key,
    )
