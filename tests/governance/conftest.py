"""A community with something to vote on, and the few moves that every test of a round makes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import time_machine
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contributions.models import Expert
from governance import actions, tasks
from governance.models import Candidate, Decision, Round
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_user

MIB = 2**20


class Clock:
    """The site's clock, which goes on by itself and can be put forward."""

    def __init__(self) -> None:
        self._travel: time_machine.travel | None = None

    def forward_to(self, moment: datetime) -> None:
        self.back()
        self._travel = time_machine.travel(moment, tick=True)
        self._travel.start()

    def back(self) -> None:
        if self._travel:
            self._travel.stop()
        self._travel = None


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock() -> Iterator[Clock]:
    yield CLOCK
    CLOCK.back()


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


@dataclass
class Community:
    """A steward and members, each of whom brought one expert."""

    steward: User
    members: list[User]
    experts: list[Expert]

    def open_round(
        self,
        *,
        title: str = "Spring",
        budget: int = 2 * MIB,
        quorum: int = 1,
        days: int = 10,
        closes_at: datetime | None = None,
    ) -> Round:
        return actions.round_open(
            steward=self.steward,
            title=title,
            budget_bytes=budget,
            quorum=quorum,
            closes_at=closes_at or timezone.now() + timedelta(days=days, minutes=30),
        )


@pytest.fixture
def make_community(db: None) -> Callable[..., Community]:
    def make(sizes: list[int] | None = None) -> Community:
        sizes = sizes or [MIB, MIB, MIB]
        steward = make_user("steward", steward=True)
        members = [make_user(f"voter{number}") for number in range(len(sizes))]
        experts = [
            make_eligible_expert(owner, steward, size=size, name=f"Expert-{number}")
            for number, (owner, size) in enumerate(zip(members, sizes, strict=True))
        ]
        return Community(steward, members, experts)

    return make


@pytest.fixture
def community(make_community: Callable[..., Community]) -> Community:
    return make_community()


def standing(round_: Round, *experts: Expert) -> list[int]:
    """The candidates' keys of these experts in a round."""
    return [Candidate.objects.get(round=round_, expert=expert).pk for expert in experts]


def cast(person: User, round_: Round, *experts: Expert) -> HttpResponseBase:
    """Cast a ballot through the door."""
    return signed_in(person).post(
        reverse("governance:ballot_cast", args=[round_.pk]),
        {"approvals": standing(round_, *experts)},
        follow=True,
    )


def let_time_pass(round_: Round) -> None:
    """The close is a second ago. Nothing is tallied yet."""
    CLOCK.forward_to(round_.closes_at + timedelta(seconds=1))


def close(round_: Round) -> Round:
    """Let the time pass, and let the clock of the site find it."""
    let_time_pass(round_)
    tasks.reconcile()
    round_.refresh_from_db()
    return round_


def next_hour() -> datetime:
    return timezone.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def hour_passes() -> None:
    """The clock of the site looks again at the next full hour: what was cast is shown."""
    CLOCK.forward_to(next_hour())
    tasks.reconcile()


def decided(round_: Round) -> Decision:
    """What stands of the counts of a round."""
    decision = Round.objects.get(pk=round_.pk).outcome
    assert decision is not None
    return decision


def entries(round_: Round, kind: str = "cast") -> int:
    """How many entries of a kind are in the ballot box."""
    return round_.box_entries.filter(kind=kind).count()


def page(person: User | None, name: str, *args: int) -> str:
    client = signed_in(person) if person else Client()
    response = client.get(reverse(f"governance:{name}", args=args))
    assert response.status_code == 200
    return response.content.decode()
