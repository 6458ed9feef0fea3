"""The one mail that is sent from no row: a voter's receipt."""

import logging

import redis
from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from governance.models import Round
from mosaic_site.members.models import User

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS = 24 * 3600


def mail_receipt(*, member: int, round_: int, receipt: str) -> None:
    """Mail it, once however often its message comes. Raises OSError where it is not taken."""
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2) as memory:
        if not _is_first(memory, receipt):
            return
        try:
            _letter(member, round_, receipt).send()
        except OSError:
            memory.delete(_key(receipt))  # the next try is the first again
            raise


def _is_first(memory: "redis.Redis", receipt: str) -> bool:
    """Noted beside the messages themselves, of which no row may tell, and as forgetful as they."""
    try:
        return bool(memory.set(_key(receipt), "", nx=True, ex=REMEMBERED_SECONDS))
    except redis.RedisError as error:
        logger.warning("a receipt may be mailed twice: %s", error)
        return True


def _key(receipt: str) -> str:
    return f"mosaic:receipt-mailed:{receipt}"


def _letter(member: int, round_: int, receipt: str) -> EmailMessage:
    voter, voted_in = User.objects.get(pk=member), Round.objects.get(pk=round_)
    context = {
        "voter": voter,
        "round": voted_in,
        "receipt": receipt,
        "site": settings.MOSAIC_URL,
        "community": settings.MOSAIC_COMMUNITY,
    }
    return EmailMessage(
        subject=f"[{settings.MOSAIC_COMMUNITY}] The receipt of your ballot",
        body=render_to_string("governance/receipt_mail.txt", context),
        to=[voter.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
