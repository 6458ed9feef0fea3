"""What the log says of requests, and what it never says."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client
from django.urls import reverse

from mosaic_site.monitoring import measures
from mosaic_site.monitoring.logs import configuration
from tests.architecture.doors import addresses
from tests.architecture.things import Things
from tests.factories import make_user

pytestmark = pytest.mark.django_db


class Log:
    """The site's log as production writes it."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    written = Log()
    settings = dict(configuration(machine_readable=True)["formatters"]["line"])
    del settings["()"]
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(**settings))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_request_is_told_in_one_line_with_its_id_and_who_asked(client: Client, log: Log) -> None:
    member = make_user("ada")
    client.force_login(member)

    response = client.get("/priorities/", headers={"X-Request-ID": "proxy-1234"})

    assert response.headers["X-Request-ID"] == "proxy-1234"
    [line] = log.lines
    assert line["request_id"] == "proxy-1234"
    assert line["user"] == member.pk
    assert (line["address"], line["method"], line["status"]) == (
        "contributions:priority_list",
        "GET",
        200,
    )
    assert (line["level"], line["event"]) == ("info", "answered")
    assert line["milliseconds"] > 0


@pytest.mark.parametrize("forged", ["", "short", "a b c d e f g h", "x" * 65, "id\\nerror"])
def test_an_id_that_could_forge_a_line_is_replaced(client: Client, log: Log, forged: str) -> None:
    response = client.get("/priorities/", headers={"X-Request-ID": forged})

    given = response.headers["X-Request-ID"]
    assert given != forged and len(given) == 32
    assert log.lines[0]["request_id"] == given


def test_every_line_of_a_request_has_its_id_and_the_next_request_another(
    client: Client, log: Log
) -> None:
    ids = [client.get("/nowhere/").headers["X-Request-ID"] for _ in range(2)]

    assert len(set(ids)) == 2
    assert [(line["request_id"], line["status"]) for line in log.lines] == [
        (ids[0], 404),
        (ids[1], 404),
    ]
    logging.getLogger("elsewhere").info("outside of requests")
    assert "request_id" not in log.lines[-1]


def test_paths_and_what_was_typed_stay_out(client: Client, log: Log) -> None:
    client.get("/experts/?q=a-private-word")
    client.get("/account/password/reset/key/secret-key-of-somebody/")

    assert "a-private-word" not in log.stream.getvalue()
    assert "secret-key" not in log.stream.getvalue()


def test_nothing_tells_when_somebody_was_at_the_ballot_box(client: Client, log: Log) -> None:
    """A time beside a chain that has none would tell whose ballot is whose."""
    things = Things()
    voter = things.owner
    round_ = things.open_round
    log.stream.truncate(0)
    client.force_login(voter)
    keys = list(round_.candidates.values_list("pk", flat=True))
    names = [one.name for one in addresses() if "ballot" in one.name or "receipt" in one.name]
    assert "governance:ballot_cast" in names

    for name in names:
        address = next(one for one in addresses() if one.name == name)
        url = reverse(name, args=[round_.pk] if address.arguments else [])
        client.get(url)
        client.post(url, {"approve": keys})

    assert round_.electors.get(member=voter).voted
    assert log.lines == []
    assert not [field for field in measures._pending if "ballot" in field or "receipt" in field]
