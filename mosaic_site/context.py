"""What every template may say."""

from django.conf import settings
from django.http import HttpRequest

from mosaic_site.notices.access import unread_count


def community(request: HttpRequest) -> dict[str, object]:
    """`community`: the site's name. `demo`: whether this is the demo community. `unread_notices`:
    how many the person has, asked for by the pages that show it and by no others."""
    return {
        "community": settings.MOSAIC_COMMUNITY,
        "demo": settings.MOSAIC_DEMO,
        "unread_notices": lambda: unread_count(request.user),
    }
