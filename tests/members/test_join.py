"""Joining, pressed twice."""

import threading

import pytest
from django.db import connection
from django.test import Client

from mosaic_site.members.models import User

TYPED = {"username": "ada", "email": "ada@example.org", "password1": "a long enough password"}


def test_the_second_press_signs_in_whom_the_first_one_made(db: None) -> None:
    for client in (Client(), Client()):
        answer = client.post("/account/signup/", TYPED)
        assert answer.status_code == 302
        assert "sessionid" in client.cookies
    assert User.objects.get().username == "ada"


@pytest.mark.parametrize(
    ("field", "other"), [("password1", "another good password"), ("email", "eve@example.org")]
)
def test_nobody_else_gets_in_by_the_same_form(db: None, field: str, other: str) -> None:
    Client().post("/account/signup/", TYPED)
    eve = Client()
    answer = eve.post("/account/signup/", TYPED | {field: other})
    assert answer.status_code == 200
    assert "already exists" in answer.content.decode()
    assert not eve.session.get("_auth_user_id")


def test_after_a_minute_the_name_is_taken(db: None) -> None:
    Client().post("/account/signup/", TYPED)
    User.objects.update(date_joined="2020-01-01T00:00:00Z")
    assert "already exists" in Client().post("/account/signup/", TYPED).content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_once_make_one_member_and_no_error() -> None:
    barrier, statuses = threading.Barrier(2), []

    def press() -> None:
        client = Client()
        barrier.wait()
        statuses.append(client.post("/account/signup/", TYPED).status_code)
        connection.close()

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [302, 302]
    assert User.objects.count() == 1
