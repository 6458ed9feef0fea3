from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone


def erased_up_to() -> datetime:
    """What was withdrawn by then has lain long enough for appeals, and its files are erased."""
    return timezone.now() - timedelta(days=settings.MOSAIC_ERASE_AFTER_DAYS)
