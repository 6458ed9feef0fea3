"""Telling members, and their reading of it."""

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import Value
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from mosaic_site.notices.registry import KINDS

MOST_NAMED = 3


def notify(*, members: Iterable[User | int], kind: str, text: str, url: str, key: str) -> int:
    """Tell members of one event, each once: who has a notice under `key` gets no second one.

    One query for any number of members, in the caller's transaction. Returns how many were told.
    An action on many things at once passes one key and names them with `listed`.

    Raises KeyError for a kind that no app registered, and ValueError for a `url` that does not
    begin at the root of this site.
    """
    if kind not in KINDS:
        raise KeyError(f"notice kind {kind!r} is not registered")
    if not leads_within_the_site(url):
        raise ValueError(f"{url!r} is no path on this site")
    keys = {member.pk if isinstance(member, User) else member for member in members}
    if not keys:
        return 0
    cells = {"kind": kind, "text": text, "url": url, "key": key, "created_at": timezone.now()}
    # In order, or two could deadlock.
    rows = User.objects.filter(pk__in=keys, left_at=None).order_by("pk")
    fields = {field.name: field for field in Notice._meta.fields}
    values = [Value(cell, fields[name]) for name, cell in cells.items()]
    select, parameters = rows.values_list("pk", *values).query.sql_with_params()
    columns = ", ".join(f'"{name}"' for name in ("member_id", *cells))
    # `bulk_create` sends a query for every hundred rows to SQLite, and does not say how many of
    # them were new.
    insert = f"INSERT INTO {Notice._meta.db_table} ({columns}) {select} ON CONFLICT DO NOTHING"
    with connection.cursor() as cursor:
        cursor.execute(insert, parameters)
        told: int = cursor.rowcount
    return told


def leads_within_the_site(url: str) -> bool:
    return url.startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def listed(names: Sequence[str]) -> str:
    """Names as one phrase: “A”, “B”, “C” and 4 more."""
    *others, last = [f"“{name}”" for name in names[:MOST_NAMED]]
    if len(names) > MOST_NAMED:
        return f"{', '.join([*others, last])} and {len(names) - MOST_NAMED} more"
    return f"{', '.join(others)} and {last}" if others else last


def notice_read(*, notice: Notice) -> None:
    """Its member has seen it; the first time counts."""
    Notice.objects.unread().filter(pk=notice.pk).update(read_at=timezone.now())


def notices_read(*, member: User, newest: int) -> int:
    """All up to the notice `newest`, which was on the page; what came since stays unread."""
    unread = Notice.objects.unread().filter(member=member, pk__lte=newest)
    return unread.update(read_at=timezone.now())
