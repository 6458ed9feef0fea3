"""Notices of two kinds that only the tests know."""

import itertools

from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify
from mosaic_site.notices.models import Notice
from mosaic_site.notices.registry import Kind, register

AT_ONCE, DAILY = "test.at_once", "test.daily"
register({AT_ONCE: Kind("A vote opens", immediate=True), DAILY: Kind("Somebody answered")})

_numbers = itertools.count(1)


def make_notice(
    member: User, *, kind: str = DAILY, text: str = "Look at this.", url: str = "/ledger/"
) -> Notice:
    key = f"event.{next(_numbers)}"
    assert notify(members=[member], kind=kind, text=text, url=url, key=key) == 1
    return Notice.objects.get(member=member, key=key)
