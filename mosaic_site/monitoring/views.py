"""For programs that watch the site: is it alive, can it work, and what does it do?"""

import secrets
import time
from collections import defaultdict

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from mosaic_site.health import Severity, examine, worst
from mosaic_site.monitoring.exposition import exposition

# Without these no page can be answered as it should.
NEEDED = ("database", "migrations", "redis", "storage")
# Anybody may ask, so that the parts are not looked at more often than this.
LOOK_EVERY_SECONDS = 3.0

_looked: tuple[float, dict[str, str]] = (float("-inf"), {})


def healthz(request: HttpRequest) -> HttpResponse:
    """The web process answers. It says nothing of what it needs: see `readyz`."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether requests can be sent here: each part "ok" or "error", and 503 where one is wrong.

    What exactly is wrong is told to stewards on the operations page, and by `manage.py doctor`.
    """
    global _looked
    if time.monotonic() - _looked[0] > LOOK_EVERY_SECONDS:
        _looked = (time.monotonic(), _look())
    parts = _looked[1]
    ready = set(parts.values()) == {"ok"}
    return JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)


def _look() -> dict[str, str]:
    found = defaultdict(list)
    for finding in examine(only=NEEDED):
        found[finding.check].append(finding)
    # What was not looked at needs something that is broken itself.
    return {
        name: "ok" if name in found and worst(found[name]) != Severity.ERROR else "error"
        for name in NEEDED
    }


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus, which brings MOSAIC_METRICS_TOKEN as a bearer token. Without one set, or with
    another, there is no such page."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    expected: str = settings.MOSAIC_METRICS_TOKEN
    right = secrets.compare_digest(given.strip().encode(), expected.encode())
    if not expected or kind.lower() != "bearer" or not right:
        raise Http404
    return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
