"""What the ledger says of things that the site did later than they were due."""

from datetime import datetime, timedelta

from django.utils import timezone

from mosaic_site.display.words import duration

GRACE = timedelta(minutes=1)
"""Beat ticks every few seconds, and clocks differ a little: so much is no delay."""


def late(due: datetime) -> str:
    """A sentence where something due at `due` is done only now; empty where it is in time."""
    delay = timezone.now() - due
    if delay <= GRACE:
        return ""
    return (
        f"Done {duration(delay.total_seconds())} late: no worker was there in time, or its message "
        "was lost."
    )
