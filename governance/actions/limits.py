"""How much one member may write in an hour: one rule for all that others have to read."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from mosaic_site.display.words import duration
from mosaic_site.errors import Refused
from mosaic_site.members.models import User

HOUR = timedelta(hours=1)


def require_pause(
    author: User, rows: "models.QuerySet[Any, Any]", *, most: int, things: str
) -> None:
    """Raise Refused if `author` wrote `most` of these rows, by `created_at`, in the last hour.

    In the caller's transaction: the same author waits here until it is committed, so that nothing
    is counted past.
    """
    User.objects.select_for_update(no_key=True).get(pk=author.pk)
    now = timezone.now()
    written = rows.filter(created_at__gt=now - HOUR).order_by("-created_at")
    latest = written.values_list("created_at", flat=True)[:most]
    if len(latest) == most:
        again = duration((latest[most - 1] + HOUR - now).total_seconds())
        raise Refused(
            f"You sent {most} {things} in an hour, which is the most. You can go on in {again}."
        )
