"""Signing in: how often one may try, and which sessions hold afterwards."""

from collections.abc import Iterator

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import WRONG_A_MINUTE, token_make
from tests.factories import make_user

pytestmark = pytest.mark.django_db

LOGIN = reverse("account_login")
PASSWORD = "a long enough password"
ME = reverse("api:me")


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def sign_in(client: Client, name: str, password: str, **extra: str) -> int:
    return client.post(LOGIN, {"login": name, "password": password}, **extra).status_code  # type: ignore[arg-type]


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("members:me")).status_code == 200


def test_after_some_wrong_passwords_the_right_one_does_not_help_either(client: Client) -> None:
    make_user("ada")
    for _ in range(5):
        sign_in(client, "ada", "wrong")

    page = client.post(LOGIN, {"login": "ada", "password": PASSWORD})

    assert "Too many failed login attempts" in page.content.decode()
    assert not is_signed_in(client)


def test_nor_may_one_address_try_many_names(client: Client) -> None:
    for number in range(12):
        make_user(f"member-{number}x")
    told = [
        client.post(LOGIN, {"login": f"member-{number}x", "password": "wrong"}).content.decode()
        for number in range(12)
    ]

    assert "Too many failed login attempts" in told[-1]


def test_no_header_makes_it_another_address(client: Client) -> None:
    """Only uvicorn puts a client's address there, and for trusted proxies only."""
    statuses = [
        sign_in(client, f"nobody-{number}", "wrong", HTTP_X_FORWARDED_FOR=f"192.0.2.{number}")
        for number in range(35)
    ]

    assert statuses[0] == 200 and statuses[-1] == 429


def test_the_page_that_says_so_is_one_of_ours(client: Client) -> None:
    for number in range(31):
        response = client.post(LOGIN, {"login": f"nobody-{number}", "password": "wrong"})

    assert response.status_code == 429
    assert "That was too often" in response.content.decode()


def test_signing_in_makes_a_new_session(client: Client) -> None:
    make_user("ada")
    client.get(LOGIN)
    session = client.session
    session["begun"] = "before"
    session.save()
    client.cookies[configured.SESSION_COOKIE_NAME] = str(session.session_key)

    sign_in(client, "ada", PASSWORD)

    assert is_signed_in(client)
    assert client.session.session_key != session.session_key
    other = Client()
    other.cookies[configured.SESSION_COOKIE_NAME] = str(session.session_key)
    assert not is_signed_in(other), "whoever planted the session has nothing of it"


def test_a_new_password_ends_all_other_sessions() -> None:
    make_user("ada")
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        sign_in(client, "ada", PASSWORD)
        assert is_signed_in(client)
    before = here.session.session_key

    here.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": "another good one", "password2": "another good one"},
    )

    assert is_signed_in(here) and here.session.session_key != before
    assert not is_signed_in(elsewhere)


def test_a_session_changes_nothing_without_its_csrf_token() -> None:
    ada = make_user("ada")
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)

    answer = client.put(reverse("api:my_group"), {"group": None}, content_type="application/json")

    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    client.get(reverse("members:me"))
    token = client.cookies[configured.CSRF_COOKIE_NAME].value
    answer = client.put(
        reverse("api:my_group"),
        {"group": None},
        content_type="application/json",
        headers={"X-CSRFToken": token},
    )
    assert answer.status_code == 200


def wrong(number: int, **extra: str) -> int:
    headers = {"Authorization": f"Bearer mosaic_{number}"}
    return Client(headers=headers).get(ME, **extra).status_code  # type: ignore[arg-type]


def test_many_wrong_tokens_from_an_address_are_slowed() -> None:
    _, secret = token_make(member=make_user(), name="right", scopes=[Scope.READ], days=1)
    statuses = [wrong(number) for number in range(WRONG_A_MINUTE)]

    late = Client(headers={"Authorization": f"Bearer {secret}"}).get(ME)

    assert set(statuses) == {401}
    assert late.status_code == 429 and 0 < int(late.headers["Retry-After"]) <= 60
    assert wrong(99, HTTP_X_FORWARDED_FOR="203.0.113.9") == 429
    assert wrong(99, REMOTE_ADDR="203.0.113.9") == 401, "others are not held up"


def test_of_ipv6_a_whole_network_is_one_address() -> None:
    for number in range(WRONG_A_MINUTE):
        wrong(number, REMOTE_ADDR=f"2001:db8::{number:x}")

    assert wrong(99, REMOTE_ADDR="2001:db8::ffff") == 429
    assert wrong(99, REMOTE_ADDR="2001:db8:0:1::1") == 401


def test_members_and_visitors_have_a_pace(settings: Settings, client: Client) -> None:
    settings.MOSAIC_API_RATES = {"member": "4/minute", "visitor": "2/minute"}
    ada = make_user("ada")
    secrets = [token_make(member=ada, name=n, scopes=[Scope.READ], days=1)[1] for n in "ab"]

    visitor = [client.get("/api/v1/rounds/") for _ in range(3)]
    member = [
        Client(headers={"Authorization": f"Bearer {secrets[number % 2]}"}).get(ME)
        for number in range(5)
    ]

    assert [answer.status_code for answer in visitor] == [200, 200, 429]
    assert [answer.status_code for answer in member] == [200, 200, 200, 200, 429]
    assert visitor[-1].json()["title"] == "Too Many Requests"
    assert int(visitor[-1].headers["Retry-After"]) > 0


def test_a_stewards_token_is_a_members(client: Client) -> None:
    steward = make_user(steward=True)
    _, secret = token_make(member=steward, name="all", scopes=Scope.values, days=1)
    program = Client(headers={"Authorization": f"Bearer {secret}"})

    assert program.get(ME).json()["role"] == "steward"
    steward.refresh_from_db()
    assert steward.is_steward and User.objects.get(pk=steward.pk).role == User.Role.STEWARD


def test_a_steward_without_a_second_factor_has_no_session_in_the_api(
    client: Client, settings: Settings
) -> None:
    settings.MOSAIC_DEMO = False
    client.force_login(make_user(steward=True))

    answer = client.get(ME)

    assert answer.status_code == 403
    assert answer.json()["detail"] == "Stewards sign in with a second factor."
