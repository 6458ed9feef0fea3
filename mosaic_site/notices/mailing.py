"""Mailing the notices that are due. The rows are the truth: no mail is queued anywhere else."""

import logging
from collections.abc import Sequence
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused
from textwrap import shorten

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import ngettext

from mosaic_site.notices.models import Notice, NoticeQuerySet
from mosaic_site.notices.registry import immediate_kinds

logger = logging.getLogger(__name__)

# About what a mail server takes between two ticks, so that one worker at a time is at it.
LETTERS_A_TICK = 100
LONGEST_SUBJECT = 120
MOST_IN_A_DIGEST = 50


def reconcile() -> None:
    """Mail what is due: a letter for each immediate notice, and one for all that a member's day
    has gathered.

    A letter is taken up under a lock, sent without one, and then marked as mailed. So two workers
    never send the same letter, and no lock waits for a mail server. A worker that dies between
    sending and marking has its letter sent again: rather twice than never. A letter that is refused
    is tried again later, and when the server is away the rest stays due.
    """
    if not Notice.objects.due(timezone.now()).exists():
        return
    try:
        with get_connection() as connection:
            for _ in range(LETTERS_A_TICK):
                notices = _take_up()
                if not notices:
                    return
                _send(notices, connection)
    except (SMTPException, OSError) as error:
        logger.warning("the mail server is away, the next tick tries again: %s", error)


def _take_up() -> list[Notice]:
    """The notices of the next letter, kept from other workers for a while; none if none is due."""
    now = timezone.now()
    with transaction.atomic():
        due = Notice.objects.due(now).select_related("member").order_by("pk")
        due = due.select_for_update(of=("self",))
        first = due.first()
        if first is None:
            return []
        gathered = due.filter(member=first.member).exclude(kind__in=immediate_kinds())
        notices = [first] if first.is_immediate else list(gathered)
        _rows(notices).update(mail_tried_at=now)
    return notices


def _send(notices: Sequence[Notice], connection: BaseEmailBackend) -> None:
    letter = _single(notices[0]) if notices[0].is_immediate else _digest(notices)
    letter.connection = connection
    try:
        letter.send()
    except (SMTPRecipientsRefused, SMTPDataError) as error:
        logger.warning("no mail to member %s yet: %s", notices[0].member_id, error)
        return
    _rows(notices).update(mailed_at=timezone.now())


def _rows(notices: Sequence[Notice]) -> NoticeQuerySet:
    return Notice.objects.filter(pk__in=[notice.pk for notice in notices])


def _single(notice: Notice) -> EmailMessage:
    return _letter(notice, notice.text, "notices/single.txt", {"notice": notice})


def _digest(notices: Sequence[Notice]) -> EmailMessage:
    count = len(notices)
    subject = ngettext("%d notice waits for you", "%d notices wait for you", count) % count
    context = {
        "notices": notices[:MOST_IN_A_DIGEST],
        "count": count,
        "left_out": max(0, count - MOST_IN_A_DIGEST),
    }
    return _letter(notices[0], subject, "notices/digest.txt", context)


def _letter(
    notice: Notice, subject: str, template: str, context: dict[str, object]
) -> EmailMessage:
    """A plain text mail to the member of `notice`."""
    context |= {
        "member": notice.member,
        "community": settings.MOSAIC_COMMUNITY,
        "site": settings.MOSAIC_URL,
    }
    return EmailMessage(
        subject=shorten(
            f"[{settings.MOSAIC_COMMUNITY}] {subject}", LONGEST_SUBJECT, placeholder=" …"
        ),
        body=render_to_string(template, context),
        to=[notice.member.email],
        # No holiday reply, please: https://www.rfc-editor.org/rfc/rfc3834#section-5
        headers={"Auto-Submitted": "auto-generated"},
    )
