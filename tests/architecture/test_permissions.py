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

from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.architecture.doors import DOORS, PEOPLE, SOCKETS, Address, Answer, addresses
from tests.architecture.things import Things
from tests.factories import make_user
from tests.training_workers.sockets import Page
from training_workers.routing import websocket_urlpatterns

ACCOUNTS = [address for address in addresses() if address.is_accounts]


def test_every_address_stands_in_the_table() -> None:
    ours = {address.name for address in addresses() if not address.is_accounts}
    assert ours == DOORS.keys()
    assert {str(route.pattern) for route in websocket_urlpatterns} == SOCKETS.keys()


def _answer(response: HttpResponse, wrote: bool) -> Answer:
    status = response.status_code
    assert status in {201, 302} or not wrote, f"{status}, and something was written"
    if status == 302 and response.headers["Location"].startswith(reverse("account_login")):
        return Answer.LOGIN
    if response.streaming:
        return Answer.FILE
    return {
        200: Answer.PAGE,
        201: Answer.DONE,
        202: Answer.TAKEN,
        302: Answer.DONE if wrote else Answer.ELSEWHERE,
        400: Answer.INCOMPLETE,
        401: Answer.UNKNOWN,
        404: Answer.MISSING,
        405: Answer.NOT_ALLOWED,
        503: Answer.UNREADY,
    }[status]


def ask(person: User | None, method: Literal["get", "post"], url: str) -> Answer:
    """What `person` gets; everything is as before afterwards, so that the next meets the same."""
    with transaction.atomic():
        client = Client()
        if person is not None:
            client.force_login(person)
        before = Entry.objects.count()
        data = {"reason": "Because."} if method == "post" else {}
        response = getattr(client, method)(url, data)
        answer = _answer(response, wrote=Entry.objects.count() > before)
        if response.streaming:
            b"".join(response)  # read to its end, a file is closed
        transaction.set_rollback(True)
    return answer


@pytest.mark.django_db
@pytest.mark.parametrize("name", DOORS)
def test_a_door_opens_for_those_it_is_for(name: str) -> None:
    things, (door, _) = Things(), DOORS[name]
    url = things.url(name)
    people = things.people.items()

    assert {who: ask(person, "get", url) for who, person in people} == dict(
        zip(PEOPLE, door.get, strict=True)
    )
    assert {who: ask(person, "post", url) for who, person in people} == dict(
        zip(PEOPLE, door.post, strict=True)
    )


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name, (_, thing) in DOORS.items() if thing])
def test_what_is_not_there_is_missing_for_stewards_too(name: str) -> None:
    url, (door, _) = reverse(name, args=[987_654]), DOORS[name]
    method: Literal["get", "post"] = "get" if Answer.NOT_ALLOWED in door.post else "post"

    # Where only tokens count, nobody who has none hears even that.
    unknown = (door.get if method == "get" else door.post)[-1] is Answer.UNKNOWN
    expected = Answer.UNKNOWN if unknown else Answer.MISSING
    assert ask(make_user(steward=True), method, url) is expected


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
