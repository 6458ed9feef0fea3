"""Clocks that jump, at the close of a round and beside a job."""

import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from governance import actions
from governance.models import Ballot, BoxEntry, Round
from governance.tasks import reconcile
from mosaic_site import clock
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_user
from tests.training_workers.makers import begin, make_job
from training_workers.actions import reconcile as reconcile_jobs
from training_workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

CLOSED = "This round has closed, so your ballot was not changed."
A_YEAR = timedelta(days=365)


@pytest.fixture
def voter() -> User:
    return make_user("ada")


def open_round(voter: User, lasts: timedelta) -> Round:
    """With two experts on the ballot."""
    steward = make_user("vera", steward=True)
    for _ in range(2):
        make_eligible_expert(voter, steward)
    return actions.round_open(
        steward=steward,
        title="Spring",
        budget_bytes=2**20,
        quorum=1,
        closes_at=timezone.now() + lasts,
    )


@pytest.fixture
def round_(voter: User) -> Round:
    return open_round(voter, timedelta(hours=1))


def cast(voter: User, round_: Round, number: int) -> None:
    candidates = list(round_.candidates.values_list("pk", flat=True))
    actions.ballot_cast(voter=voter, round_=round_, approvals=[candidates[number % 2]])


def status(round_: Round) -> str:
    return Round.objects.get(pk=round_.pk).status


def test_a_jump_over_the_close_closes_once_and_a_jump_back_reopens_nothing(
    voter: User, round_: Round
) -> None:
    cast(voter, round_, 0)
    counted = Ballot.objects.get().receipt
    with time_machine.travel(round_.closes_at + timedelta(hours=3)):
        reconcile()
        reconcile()
    reconcile()

    assert status(round_) == Round.Status.PROVISIONAL
    with pytest.raises(Refused, match=CLOSED):
        cast(voter, round_, 1)
    assert Ballot.objects.get().receipt == counted
    assert round_.decisions.count() == 1
    assert BoxEntry.objects.filter(round=round_, kind=BoxEntry.Kind.CLOSE).count() == 1
    closed = Entry.objects.get(action="round.closed")
    assert closed.reason.startswith("Done 3 h late")


def test_a_jump_back_before_the_opening_casts_nothing_and_loses_nothing(
    voter: User, round_: Round
) -> None:
    cast(voter, round_, 0)
    with time_machine.travel(round_.opens_at - timedelta(hours=3)):
        with pytest.raises(Refused):
            cast(voter, round_, 1)
        reconcile()
        assert status(round_) == Round.Status.OPEN
    cast(voter, round_, 1)
    assert Ballot.objects.count() == 1


def test_casts_at_the_moment_of_the_jump_are_counted_or_refused_with_the_reason(
    voter: User, round_: Round
) -> None:
    cast(voter, round_, 0)
    refusals: list[str] = []

    def keep_casting() -> None:
        number = 1
        while not refusals:
            try:
                cast(voter, round_, number)
            except Refused as refusal:
                refusals.append(str(refusal))
            number += 1
        connection.close()

    thread = threading.Thread(target=keep_casting)
    thread.start()
    with time_machine.travel(round_.closes_at + timedelta(seconds=1)):
        while status(round_) == Round.Status.OPEN:
            reconcile()
        thread.join()

    assert refusals[0].startswith(CLOSED)
    result = round_.decisions.get().result
    counted = {
        int(one["id"]) for one in (*result["winners"], *result["losers"]) if one["approvals"]
    }
    assert counted == Ballot.objects.get().approvals


@pytest.fixture
def database_decides(settings: Settings) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no clock of its own")
    settings.MOSAIC_CLOCK = "database"


@pytest.mark.usefixtures("database_decides")
def test_a_machine_with_a_wrong_clock_closes_no_round_and_refuses_no_ballot(
    voter: User, round_: Round
) -> None:
    for wrong in (A_YEAR, -A_YEAR):
        with time_machine.travel(timezone.now() + wrong):
            reconcile()
            cast(voter, round_, int(wrong > timedelta(0)))
        assert status(round_) == Round.Status.OPEN
    assert Ballot.objects.count() == 1


@pytest.mark.usefixtures("database_decides")
def test_a_machine_whose_clock_is_behind_takes_no_late_ballot(voter: User) -> None:
    round_ = open_round(voter, timedelta(seconds=1))
    while clock.now() < round_.closes_at:
        pass
    with time_machine.travel(timezone.now() - A_YEAR):
        with pytest.raises(Refused, match=CLOSED):
            cast(voter, round_, 0)
        reconcile()
    assert not Ballot.objects.exists()
    assert status(round_) == Round.Status.NO_QUORUM


@pytest.mark.usefixtures("database_decides")
def test_a_machine_with_a_wrong_clock_takes_no_living_job_for_silent(voter: User) -> None:
    job = begin(make_job(voter, make_user(steward=True)))
    with time_machine.travel(timezone.now() + A_YEAR):
        reconcile_jobs()
    assert Job.objects.get(pk=job.pk).status == Job.Status.RUNNING
