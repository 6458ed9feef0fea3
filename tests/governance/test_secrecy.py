"""Nobody learns before the close what is approved of: not from any address of the site."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from governance import access, actions
from governance.models import Round
from mosaic_site.members.models import User
from tests.architecture.crowd import Crowd
from tests.architecture.doors import DOORS, Answer, addresses
from tests.architecture.things import Things
from tests.governance.conftest import CLOCK, close, page

Seen = dict[tuple[str, str], str]
# The others take no GET from anybody.
NAMES = [name for name, (door, _) in DOORS.items() if Answer.NOT_ALLOWED not in door.get]


def everywhere(things: Things, round_: Round, voter: User) -> list[str]:
    """Every address that can be asked for, of the open round and of everything else.

    A steward may also have got hold of somebody's receipt.
    """
    of_rounds = {thing for thing in dir(Things) if thing.endswith("_round")}
    urls = [things.url(name) for name in NAMES]
    urls += [reverse(name, args=[round_.pk]) for name in NAMES if DOORS[name][1] in of_rounds]
    urls += [one.expert.get_absolute_url() for one in access.candidates_for_anyone(round_)]
    urls += [
        reverse(one.name, kwargs=dict.fromkeys(one.arguments, "1"))
        for one in addresses()
        if one.is_accounts and "logout" not in one.name
    ]
    ballot = access.ballot_of(voter, round_)
    assert ballot is not None
    return [*urls, f"{reverse('governance:receipt_check')}?receipt={ballot.receipt}"]


def hidden(content: bytes) -> str:
    """Without what is drawn anew for every form, the hashes and receipts of the box, and the room
    on the disk, which others use too."""
    return re.sub(
        r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\w{64}|(?<=<dd id="free">)[^<]*',
        "…",
        content.decode("latin1"),
    )


@contextmanager
def world(crowd: Crowd, round_: Round, approvals: Collection[int]) -> Iterator[None]:
    """In which all voters now approve of `approvals`; outside nothing of it has happened."""
    with transaction.atomic():
        for voter in crowd.members:
            actions.ballot_cast(voter=voter, round_=round_, approvals=approvals)
        yield
        transaction.set_rollback(True)


def look_around(crowd: Crowd, round_: Round) -> Seen:
    """What everybody sees everywhere."""
    seen = {}
    for who, person in crowd.people.items():
        client = Client()
        if person is not None:
            client.force_login(person)
        for url in everywhere(crowd, round_, crowd.members[0]):
            response = client.get(url)
            content = b"".join(response) if response.streaming else response.content
            seen[who, hidden(url.encode())] = f"{response.status_code} {hidden(content)}"
    return seen


@pytest.mark.django_db
def test_no_address_tells_how_the_vote_goes() -> None:
    """Two worlds that differ in the ballots alone look the same to everybody, stewards too."""
    crowd = Crowd(3)
    for name in NAMES:
        crowd.url(name)  # makes the thing that stands in the address
    round_ = crowd.open_round
    first, *others = [one.pk for one in access.candidates_for_anyone(round_)]
    now, seen, results = timezone.now(), [], set()
    for approvals in ([first], others):
        with world(crowd, round_, approvals):
            with time_machine.travel(now, tick=False):
                seen.append(look_around(crowd, round_))
            close(round_)
            results.add(hidden(page(None, "round_detail", round_.pk).encode()))
        CLOCK.back()
        round_.refresh_from_db()

    one, other = seen
    assert len(one) > 4 * len(NAMES)
    assert one.keys() == other.keys()
    assert [key for key in one if one[key] != other[key]] == []
    assert len(results) == 2  # after the close they do differ, or this test would see nothing
