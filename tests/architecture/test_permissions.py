"""Every address, asked for by everybody: nobody gets more than `doors.py` says, and nobody less."""

from typing import Literal

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as configured
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from mosaic_site.api.endpoints import Endpoint
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import token_make
from tests.architecture.doors import DOORS, PEOPLE, SOCKETS, Address, Answer, addresses
from tests.architecture.permissions_page import PAGE, page
from tests.architecture.things import Things
from tests.factories import make_user
from tests.training_workers.sockets import Page
from training_workers.routing import websocket_urlpatterns

Method = Literal["get", "post", "put", "delete"]
METHODS: tuple[Method, ...] = ("get", "post", "put", "delete")
API: dict[str, type[Endpoint]] = {
    address.name: view
    for address in addresses()
    if isinstance(view := getattr(address.view, "cls", None), type) and issubclass(view, Endpoint)
}
ACCOUNTS = [address for address in addresses() if address.is_accounts]


def test_every_address_stands_in_the_table() -> None:
    ours = {address.name for address in addresses() if not address.is_accounts}
    assert ours == DOORS.keys()
    assert {str(route.pattern) for route in websocket_urlpatterns} == SOCKETS.keys()


def test_the_page_that_people_read_says_the_same() -> None:
    """Else: python -m tests.architecture.permissions_page"""
    assert PAGE.read_text(encoding="utf-8") == page()


def _answer(response: HttpResponse, method: str, wrote: bool) -> Answer:
    status = response.status_code
    assert status in {200, 201, 202, 204, 302} or not wrote, f"{status}, and something was written"
    if status == 302 and response.headers["Location"].startswith(reverse("account_login")):
        return Answer.LOGIN
    if response.streaming:
        return Answer.FILE
    if status == 403:
        assert response.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'
        return Answer.NO_SCOPE
    if status < 400 and wrote:
        return Answer.DONE
    if status < 300 and method != "get" and _is_api(response):
        return Answer.TAKEN
    return {
        200: Answer.PAGE,
        302: Answer.ELSEWHERE,
        308: Answer.ELSEWHERE,
        400: Answer.INCOMPLETE,
        401: Answer.UNKNOWN,
        404: Answer.MISSING,
        405: Answer.NOT_ALLOWED,
        409: Answer.REFUSED,
        503: Answer.UNREADY,
    }[status]


def _is_api(response: HttpResponse) -> bool:
    return bool(response.wsgi_request.path.startswith("/api/v1/"))  # type: ignore[attr-defined]


def ask(person: User | None, method: Method, url: str, secret: str = "") -> Answer:
    """What `person`, or a program with the token `secret`, gets.

    Everything is as before afterwards, so that the next meets the same.
    """
    with transaction.atomic():
        client = Client(headers={"Authorization": f"Bearer {secret}"} if secret else {})
        if person is not None:
            client.force_login(person)
        before = Entry.objects.count()
        data = {"reason": "Because."} if method == "post" else {}
        as_json = {"content_type": "application/json"} if url.startswith("/api/v1/") else {}
        sent = {} if method == "get" else as_json
        response = getattr(client, method)(url, data, **sent)
        answer = _answer(response, method, wrote=Entry.objects.count() > before)
        if response.streaming:
            b"".join(response)  # read to its end, a file is closed
        transaction.set_rollback(True)
    return answer


@pytest.mark.django_db
@pytest.mark.parametrize("name", DOORS)
def test_a_door_opens_for_those_it_is_for(name: str) -> None:
    things, (door, _) = Things(), DOORS[name]
    url = things.url(name)

    for method in METHODS:
        expected = getattr(door, method)
        if expected is not None:
            got = {who: ask(person, method, url) for who, person in things.people.items()}
            assert got == dict(zip(PEOPLE, expected, strict=True)), method


def _secret(member: User, *scopes: str) -> str:
    return token_make(member=member, name=f"of {len(scopes)}", scopes=scopes, days=1)[1]


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in DOORS if name in API])
def test_a_token_opens_what_its_scopes_name_and_nothing_for_a_steward(name: str) -> None:
    """By token its owner gets what they get by hand, and a steward what any other member gets."""
    things, (door, _) = Things(), DOORS[name]
    url = things.url(name)
    scope = API[name].scope
    everything = _secret(things.owner, *Scope.values)
    stewards = _secret(things.steward, *Scope.values)
    without = _secret(things.owner, *(set(Scope.values) - {scope, Scope.READ}))
    reading = _secret(things.owner, Scope.READ)

    for method in METHODS:
        _, stranger, owner, _ = getattr(door, method)
        assert ask(None, method, url, everything) is owner, method
        assert ask(None, method, url, stewards) is stranger, method
        if method == "get":
            assert ask(None, method, url, without) is Answer.NO_SCOPE
            secret = API[name].is_secret
            assert ask(None, method, url, reading) is (Answer.NO_SCOPE if secret else owner)
        elif scope not in (None, Scope.READ):
            assert ask(None, method, url, without) is Answer.NO_SCOPE, method
            assert ask(None, method, url, reading) is Answer.NO_SCOPE, method


def test_what_changes_something_names_its_scope() -> None:
    changes = {"post", "put", "patch", "delete"}
    assert not [
        name
        for name, view in API.items()
        if view.scope is None and changes & {method.lower() for method in view().allowed_methods}
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name, (_, thing) in DOORS.items() if thing])
def test_what_is_not_there_is_missing_for_stewards_too(name: str) -> None:
    url, (door, _) = reverse(name, args=[987_654]), DOORS[name]

    for method in METHODS:
        there = getattr(door, method)
        if there is not None and there[-1] is not Answer.NOT_ALLOWED:
            # Where only tokens count, nobody who has none hears even that.
            nobody = there[-1] is Answer.UNKNOWN
            expected = Answer.UNKNOWN if nobody else Answer.MISSING
            assert ask(make_user(steward=True), method, url) is expected, method


@pytest.mark.django_db
@pytest.mark.parametrize("name", DOORS)
def test_outside_the_demo_a_steward_needs_a_second_factor(
    name: str, client: Client, settings: Settings
) -> None:
    settings.MOSAIC_DEMO = False
    client.force_login(make_user(steward=True))
    url = reverse(name, args=[1] if DOORS[name][1] else [])

    if name in {"healthz", "readyz", "metrics"}:  # programs have none
        assert client.get(url).status_code != 302
        return
    for response in (client.get(url), client.post(url, {"reason": "Because."})):
        if url.startswith("/api/"):
            assert response.status_code == 403
            continue
        assert response.status_code == 302
        assert response.headers["Location"] == reverse("mfa_activate_totp")


@pytest.mark.django_db
@pytest.mark.parametrize("address", ACCOUNTS, ids=lambda address: address.name)
def test_no_address_of_the_accounts_breaks_for_a_visitor(client: Client, address: Address) -> None:
    url = reverse(address.name, kwargs=dict.fromkeys(address.arguments, "1"))

    assert client.get(url).status_code < 500
    assert client.post(url).status_code < 500


@sync_to_async
def _cookies_and_path(path: str, thing: str) -> tuple[dict[str, str], str]:
    things = Things()
    cookies = {}
    for who, person in things.people.items():
        client = Client()
        if person is not None:
            client.force_login(person)
        cookies[who] = client.cookies.output(attrs=[], header="", sep=";").strip()
    return cookies, path.replace("<int:pk>", str(things.key(thing))) if thing else path


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", SOCKETS)
async def test_a_socket_opens_for_those_it_is_for(path: str) -> None:
    audience, thing = SOCKETS[path]
    cookies, address = await _cookies_and_path(path, thing)
    connected = []
    for who in PEOPLE:
        page = Page(f"/{address}")
        page.wire.scope["headers"].append((b"cookie", cookies[who].encode()))
        if await page.connects():
            connected.append(who)
        await page.leaves()

    assert configured.SESSION_COOKIE_NAME in cookies["stranger"]
    assert tuple(connected) == audience
