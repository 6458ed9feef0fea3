"""The discussion of a proposal: what members say, and who is told that it goes on."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from governance.actions.limits import require_pause
from governance.actions.moderation import take_from_sight
from governance.models import Comment, Proposal, ThreadMute
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify


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
            take_from_sight(comment, by=author, reason="Taken back by its author.")
            comment.reports.filter(answer="").update(
                answer="removed",
                answer_reason=comment.removal_reason,
                answered_by=author,
                answered_at=comment.removed_at,
            )
    return comment
