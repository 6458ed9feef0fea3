"""Who is told, and how often."""

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mosaic_site.members.models import User
from mosaic_site.notices.actions import listed, notify
from mosaic_site.notices.models import Notice
from tests.factories import make_user
from tests.notices.makers import AT_ONCE, DAILY

pytestmark = pytest.mark.django_db

INBOX = reverse("notices:inbox")


def test_an_event_is_told_once_to_each(client: Client) -> None:
    ada, ben, cy = make_user("ada"), make_user("ben"), make_user("cy")

    def tell(*members: User | int, key: str = "round.1.opened") -> int:
        return notify(members=members, kind=DAILY, text="Round 1 is open.", url="/", key=key)

    assert tell(ada, ben.pk, ada) == 2
    assert tell(ada, ben, cy) == 1
    assert tell(ada, key="round.2.opened") == 1
    for member, times in ((ada, 2), (ben, 1), (cy, 1)):
        client.force_login(member)
        assert client.get(INBOX).content.decode().count("Round 1 is open.") == times


def test_nobody_and_whoever_has_left_are_no_trouble() -> None:
    assert notify(members=[], kind=DAILY, text="Look.", url="/", key="a") == 0
    assert notify(members=[987_654], kind=DAILY, text="Look.", url="/", key="a") == 0


@pytest.mark.parametrize("count", [10, 1000])
def test_a_thousand_are_told_with_one_query(count: int) -> None:
    members = User.objects.bulk_create(
        User(username=f"m{number}", email=f"m{number}@example.org") for number in range(count)
    )
    with CaptureQueriesContext(connection) as queries:
        told = notify(members=members, kind=AT_ONCE, text="Look.", url="/", key="a")
    assert told == count == Notice.objects.filter(key="a", read_at=None, mailed_at=None).count()
    assert len(queries) == 1


def test_what_is_rolled_back_was_never_told() -> None:
    member = make_user()
    with transaction.atomic():
        notify(members=[member], kind=DAILY, text="Look.", url="/", key="a")
        transaction.set_rollback(True)
    assert not Notice.objects.exists()


def test_an_unknown_kind_and_an_address_elsewhere_are_mistakes() -> None:
    member = make_user()
    with pytest.raises(KeyError):
        notify(members=[member], kind="no.such", text="Look.", url="/", key="a")
    for url in ("https://elsewhere.example/", "//elsewhere.example/", "/\\elsewhere.example", "me"):
        with pytest.raises(ValueError):
            notify(members=[member], kind=DAILY, text="Look.", url=url, key="a")


@pytest.mark.parametrize(
    ("names", "phrase"),
    [
        ("A", "“A”"),
        ("AB", "“A” and “B”"),
        ("ABC", "“A”, “B” and “C”"),
        ("ABCDE", "“A”, “B”, “C” and 2 more"),
    ],
)
def test_many_things_are_told_in_one_phrase(names: str, phrase: str) -> None:
    assert listed(list(names)) == phrase
