"""The steps of `readers`, each run in a process of its own on a site in PostgreSQL."""

import json
from pathlib import Path

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contributions.models import Expert
from governance.models import Round
from mosaic_site.bench import voting_site


def prepare(out: str) -> None:
    """An open round of many members, and what every page asks and answers, into the file `out`."""
    voting_site.prepare()
    paths = [
        "/", "/experts/", "/priorities/", "/rounds/", "/ledger/",
        Round.objects.get().get_absolute_url(), Expert.objects.all()[0].get_absolute_url(),
    ]  # fmt: skip
    pages = {path: _page(path) for path in paths}
    Path(out).write_text(json.dumps(pages), encoding="utf-8")


def _page(path: str) -> dict[str, object]:
    client = Client(headers={"host": "127.0.0.1"})
    client.get(path)  # what is kept from page to page is kept by now
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
    assert response.status_code == 200, path
    queries = [query["sql"] for query in captured.captured_queries]
    return {"queries": queries, "body": response.content.decode()}
