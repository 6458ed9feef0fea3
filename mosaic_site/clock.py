"""Whose clock decides.

Pages show the time of the machine that answers. What is decided once and for all, and what several
machines compare, goes by one clock, so that none of them can close a vote early because its own is
wrong: the opening and close of a round, whether a ballot came before it, and the signs of life of
jobs. With MOSAIC_CLOCK=database that is the database's; with =machine, for a site that lives on
one, it is this machine's.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The time that decides, aware and in UTC. One query where the database's clock is the one."""
    if settings.MOSAIC_CLOCK != "database" or connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        # Not now(), which is when the transaction began: a cast may have waited in it.
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
