"""What every template may say."""

from django.conf import settings
from django.http import HttpRequest


def community(request: HttpRequest) -> dict[str, object]:
    """`community`: the site's name. `demo`: whether this is the demo community."""
    return {"community": settings.MOSAIC_COMMUNITY, "demo": settings.MOSAIC_DEMO}
