"""Verbs that change members. Nothing else writes their roles."""

from django.db import transaction

from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User


def member_make_steward(*, username: str) -> User:
    """Give a member the steward's rights: the operator's way, so the ledger names the site.

    Raises Refused where nobody has this name, and where the person is a steward already.
    """
    with transaction.atomic():
        member = User.objects.select_for_update().filter(username=username).first()
        if member is None:
            raise Refused(f"Nobody is called “{username}”. They join on the site first.")
        if member.is_steward:
            raise Refused(f"“{username}” is a steward already.")
        member.role = User.Role.STEWARD
        member.save(update_fields=["role"])
        record(actor=None, action="member.made_steward", subject=member)
    return member
