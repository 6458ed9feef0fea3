"""Whether what was brought is checked in good time."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from contributions.models import DatasetVersion
from mosaic_site.health import Finding, error, ok

LATE = timedelta(minutes=10)


def checking() -> Iterator[Finding]:
    """A check says every second that it goes on, and what waits is taken up every few seconds."""
    late = DatasetVersion.objects.unchecked_since(timezone.now() - LATE).count()
    if not late:
        yield ok("No dataset waits for its check.")
        return
    yield error(
        f"{late} dataset versions have waited for their check for more than 10 minutes.",
        "Their owners cannot submit experts that learn from them.",
        "Restart the worker of the queue checks and read its log. If large files keep it busy, "
        "start a second one.",
    )
