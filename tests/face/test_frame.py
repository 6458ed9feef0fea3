"""The frame and the pages about accounts, as a browser asks for them."""

from __future__ import annotations

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.template.loader import render_to_string
from django.test import Client

from tests.factories import make_user

NAVIGATION = [
    "/priorities/",
    "/datasets/",
    "/experts/",
    "/rounds/",
    "/releases/",
    "/talk/",
    "/ledger/",
]


def get(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path)
    assert response.status_code == status
    return response.content.decode()


@pytest.mark.django_db
def test_the_navigation_leads_everywhere(client: Client) -> None:
    html = get(client, "/account/login/")
    for path in NAVIGATION:
        assert html.count(f'<a class="nav-link" href="{path}">') == 2, "wide and narrow"
    assert "/desk/" not in html
    assert html.index('class="skip"') < html.index("<header") < html.index('id="content"')


@pytest.mark.django_db
def test_only_stewards_see_the_desk(client: Client) -> None:
    client.force_login(make_user(steward=True))
    assert 'href="/desk/"' in get(client, "/account/email/")
    client.force_login(make_user())
    assert 'href="/desk/"' not in get(client, "/account/email/")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/account/login/", "/account/signup/", "/account/password/reset/"]
)
def test_the_way_in_has_one_heading_and_one_main_action(client: Client, path: str) -> None:
    html = get(client, path)
    assert html.count("<h1") == 1
    assert html.count("button--primary") == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    ["/account/email/", "/account/password/change/", "/account/2fa/", "/account/logout/"],
)
def test_a_member_s_own_pages(client: Client, path: str) -> None:
    client.force_login(make_user())
    html = get(client, path)
    assert html.count("<h1") == 1
    assert "button" in html[html.index('id="content"') :]


@pytest.mark.django_db
def test_a_second_factor_is_set_up_and_then_asked_for(client: Client) -> None:
    member = make_user()
    EmailAddress.objects.create(user=member, email=member.email, verified=True, primary=True)
    password = {"login": member.username, "password": "a long enough password"}
    client.post("/account/login/", password)
    assert get(client, "/account/reauthenticate/").count("<h1") == 1
    client.post("/account/reauthenticate/", {"password": password["password"]})

    page = get(client, "/account/2fa/totp/activate/")
    assert 'class="qr"' in page and 'src="data:image/svg+xml' in page
    secret = client.session["mfa.totp.secret"]
    code = format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time()))))
    answer = client.post("/account/2fa/totp/activate/", {"code": code}, follow=True)
    assert answer.status_code == 200
    assert "Turn off" in get(client, "/account/2fa/")
    assert "unused codes are left" in get(client, "/account/2fa/")
    assert "<textarea" in get(client, "/account/2fa/recovery-codes/")

    client.logout()
    answer = client.post("/account/login/", password, follow=True)
    assert "Type the code" in answer.content.decode()
    assert answer.wsgi_request.user.is_anonymous


@pytest.mark.django_db
def test_joining_asks_for_a_name_an_address_and_a_password(client: Client) -> None:
    html = get(client, "/account/signup/")
    asked = {part for part in ("username", "email", "password1") if f'name="{part}"' in html}
    assert asked == {"username", "email", "password1"} and "password2" not in html
    answer = client.post(
        "/account/signup/",
        {"username": "ada", "email": "ada@example.org", "password1": "tessera lapis 9"},
    )
    assert answer.status_code == 302


@pytest.mark.django_db
def test_a_refused_sign_in_says_why_above_the_fields(client: Client) -> None:
    answer = client.post("/account/login/", {"login": "nobody", "password": "wrong"})
    html = answer.content.decode()
    assert html.index('role="alert"') < html.index('id="id_login"')


@pytest.mark.django_db
def test_a_page_that_does_not_exist_shows_the_way_back(client: Client) -> None:
    html = get(client, "/no/such/page/", status=404)
    assert "Nothing here" in html and 'href="/"' in html


@pytest.mark.django_db
def test_a_body_over_the_limit_names_the_limit(client: Client) -> None:
    answer = client.post("/datasets/", data=b"", content_type="text/csv", CONTENT_LENGTH=str(10**9))
    assert answer.status_code == 413
    assert "954 MiB" in answer.content.decode()


@pytest.mark.parametrize("template", ["400.html", "500.html"])
def test_a_failing_site_still_shows_a_page_without_any_context(template: str) -> None:
    html = render_to_string(template)
    assert "<h1>" in html and 'href="/"' in html
