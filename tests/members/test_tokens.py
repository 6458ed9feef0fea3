"""API tokens: made once, shown once, used by programs, revoked."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mosaic_site.members.models import ApiToken, Scope, User
from mosaic_site.members.tokens import MOST_TOKENS, token_make
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PAGE = reverse("members:token_list")
UPLOADS = reverse("api:uploads")
FORM = {"name": "Cron", "scopes": [Scope.DATASETS_WRITE], "days": 30}


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def ask(secret: str, kind: str = "Bearer") -> tuple[int, str]:
    """Status and challenge, as a program without a session and without CSRF gets them."""
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"{kind} {secret}"})
    answer = client.post(UPLOADS, {"name": "Bikes", "filename": "bikes.csv", "size": 3})
    return answer.status_code, answer.headers.get("WWW-Authenticate", "")


def test_a_program_acts_for_the_member_who_made_it(page: Client, ada: User) -> None:
    shown = page.post(PAGE, FORM)
    found = re.search(r'id="secret">(mosaic_[\w-]{43})<', shown.content.decode())
    assert found
    secret = found[1]

    assert ask(secret)[0] == 201

    assert ada.uploads.get().name == "Bikes"
    assert ApiToken.objects.get().last_used_at is not None
    assert shown.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    again = page.get(PAGE).content.decode()
    assert "Cron" in again and "Upload datasets" in again and secret not in again
    assert secret not in str(ApiToken.objects.values().get())


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"sha256": "0" * 64},
    ],
    ids=["revoked", "expired", "unknown"],
)
def test_one_that_counts_no_more_is_answered_so(ada: User, changes: dict[str, object]) -> None:
    _, secret = token_make(member=ada, **FORM)  # type: ignore[arg-type]
    ApiToken.objects.update(**changes)

    assert ask(secret) == (401, 'Bearer error="invalid_token"')
    assert not ada.uploads.exists()


def test_neither_a_closed_account_nor_another_kind_gets_in(ada: User) -> None:
    _, secret = token_make(member=ada, **FORM)  # type: ignore[arg-type]

    assert ask(secret, "Basic")[0] == 401
    User.objects.update(is_active=False)
    assert ask(secret)[0] == 401


def test_it_may_only_what_it_is_for(ada: User) -> None:
    _, secret = token_make(member=ada, name="Nothing", scopes=[], days=1)

    assert ask(secret) == (403, 'Bearer error="insufficient_scope"')


def test_it_opens_no_page(ada: User, client: Client) -> None:
    _, secret = token_make(member=ada, **FORM)  # type: ignore[arg-type]

    answer = client.get(PAGE, headers={"Authorization": f"Bearer {secret}"})

    assert answer.headers["Location"].startswith(reverse("account_login"))


def test_revoked_on_its_page_it_is_gone_and_its_name_free(page: Client) -> None:
    page.post(PAGE, FORM)
    assert "You have a token called “Cron” already." in page.post(PAGE, FORM).content.decode()

    page.post(reverse("members:token_revoke", args=[ApiToken.objects.get().pk]))

    assert "You have none." in page.get(PAGE).content.decode()
    assert 'id="secret"' in page.post(PAGE, FORM).content.decode()


def test_without_a_scope_or_a_name_none_is_made(page: Client) -> None:
    page.post(PAGE, {"name": "", "days": 30})
    page.post(PAGE, FORM | {"days": 36500})
    page.post(PAGE, FORM | {"scopes": ["everything"]})

    assert not ApiToken.objects.exists()


def test_there_is_an_end_to_them(page: Client, ada: User) -> None:
    for number in range(MOST_TOKENS):
        token_make(member=ada, name=f"token {number}", scopes=[], days=1)

    assert f"You have {MOST_TOKENS} tokens." in page.post(PAGE, FORM).content.decode()
