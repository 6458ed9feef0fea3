"""The API is as it is described: whatever the description allows is asked, and more."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from pytest_django.fixtures import Settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from mosaic_site.members.models import ApiToken, Scope
from mosaic_site.members.tokens import token_make
from tests.architecture.doors import DOORS, addresses
from tests.architecture.things import Things

pytestmark = pytest.mark.django_db

HOLDS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
EXAMPLES = 2
"""Of each operation: as described and otherwise, for what is there and for anything."""


@pytest.fixture
def things() -> Things:
    things = Things()
    # Before the round that stays open: there is one at a time.
    _ = things.release, things.tallied_round
    return things


@pytest.fixture
def described(db: None, settings: Settings) -> Iterator[Any]:
    settings.ALLOWED_HOSTS = ["localhost", "testserver"]
    # As Django's own client does: the test's transaction would be closed with its connection.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi(reverse("api:schema"), _closing(WSGIHandler()))
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _closing(application: WSGIHandler) -> Any:
    """As a server does: what was sent is closed, a file above all."""

    def closed(environ: Any, start_response: Any) -> list[bytes]:
        response = application(environ, start_response)
        try:
            return [b"".join(response)]
        finally:
            response.close()

    return closed


def _plain(path: str) -> str:
    """The same for Django's and for OpenAPI's way to write it."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "*", path.strip("/"))


DOOR_OF = {_plain(address.path): address.name for address in addresses()}


def _operations(described: Any, things: Things) -> Iterator[tuple[Any, dict[str, Any] | None]]:
    """Each operation, with what stands in its address: once what is there, once anything."""
    for result in described.get_all_operations():
        operation = result.ok()
        thing = DOORS[DOOR_OF[_plain(operation.path)]][1]
        if thing:
            name = re.findall(r"\{([^}]*)\}", operation.path)[0]
            yield operation, {name: things.key(thing)}
        yield operation, None


def _ask_all(described: Any, things: Things, secret: str) -> set[int]:
    """The statuses that came back. Everything is as before after each request."""
    statuses = set()
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    for operation, here in _operations(described, things):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @hypothesis_settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(mode, path_parameters=here))
            def ask(case: Any) -> None:
                with transaction.atomic():
                    response = case.call(headers=headers)
                    transaction.set_rollback(True)
                case.validate_response(response, checks=HOLDS)
                statuses.add(response.status_code)

            ask()
    return statuses


def test_with_a_members_token_nothing_breaks(described: Any, things: Things) -> None:
    _, secret = token_make(member=things.owner, name="all", scopes=Scope.values, days=1)

    statuses = _ask_all(described, things, secret)

    assert {200, 201, 400, 404, 409} <= statuses
    assert not {401, 403, 429, 500} & statuses


def test_anonymously_nothing_breaks_and_nothing_is_done(described: Any, things: Things) -> None:
    statuses = _ask_all(described, things, "")

    assert {200, 401, 404} <= statuses
    assert not {201, 202, 204, 403, 500} & statuses


def test_with_an_expired_token_nothing_is_to_be_had(described: Any, things: Things) -> None:
    _, secret = token_make(member=things.owner, name="old", scopes=Scope.values, days=1)
    ApiToken.objects.update(expires_at=timezone.now())

    assert _ask_all(described, things, secret) <= {401, 404, 405, 429}


def test_it_is_openapi_and_says_what_each_token_needs(client: Client) -> None:
    answer = client.get(reverse("api:schema"))

    said = answer.json()
    assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    assert said["openapi"].startswith("3.1")
    assert said["paths"]["/api/v1/rounds/{id}/ballot/"]["put"]["x-scope"] == "vote"
    assert said["paths"]["/api/v1/rounds/{id}/ballot/"]["get"]["x-scope"] == "vote"
    assert said["paths"]["/api/v1/rounds/"]["get"]["x-scope"] == ""
    ours = {_plain(address.path) for address in addresses() if address.name.startswith("api:")}
    assert {_plain(path) for path in said["paths"]} == ours - {"api/v1", "api/v1/schema"}


def test_people_can_read_it(client: Client) -> None:
    page = client.get(reverse("api:reference")).content.decode()
    part = client.get(reverse("api:reference"), {"part": "rounds"}).content.decode()

    link = "?part=rounds#put_rounds_id_ballot"
    here = "<code>PUT /api/v1/rounds/{id}/ballot/</code>"
    assert f'<a href="{link}">{here}</a></dt><dd>Cast your ballot, or change it.' in page
    assert 'id="put_rounds_id_ballot"' in part and here in part
    assert "Needs a token with <code>vote</code>." in part
    assert '<td data-label="Name"><code>approvals</code> <span' in part
    for scope in Scope:
        assert f"<dt><code>{scope}</code></dt>" in page
