"""The alternative of `readers`: a bare Django view that makes the same queries and answers with the
same bytes. No middleware, no models, no template. As settings and as the URLconf."""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

PAGES = "MOSAIC_BENCH_PAGES"
"""Names the file that `readers_site.capture` wrote."""


@lru_cache
def _pages() -> dict[str, Any]:
    pages: dict[str, Any] = json.loads(Path(os.environ[PAGES]).read_text(encoding="utf-8"))
    return pages


def answer(request: HttpRequest, address: str) -> HttpResponse:
    """What the site answers at `address`."""
    page = _pages()["/" + address]
    with connection.cursor() as cursor:
        for query in page["queries"]:
            cursor.execute(query)
            cursor.fetchall()
    body = page["body"].encode()
    # Without it the server would send the page in chunks.
    return HttpResponse(body, headers={"Content-Length": len(body)})


urlpatterns = [path("<path:address>", answer), path("", answer, {"address": ""})]
