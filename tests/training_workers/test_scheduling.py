"""The queue as people meet it: places, reasons, times, stewards who change it, a used-up week."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from contributions.actions import expert_approve
from contributions.models import DatasetVersion, Priority
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import (
    make_dataset,
    make_eligible_expert,
    make_expert,
    make_priority,
    make_user,
)
from tests.training_workers.makers import composing_release, make_job
from training_workers import actions
from training_workers.models import Job
from training_workers.scheduling import Queue, held_until

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def bo() -> User:
    return make_user("bo")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def queue_many(owner: User, steward: User, number: int) -> None:
    """So many jobs of one member, on one dataset for one need."""
    versions: Sequence[DatasetVersion] = list(make_dataset(owner).versions.all())
    priority: Priority = make_priority(owner)
    for _ in range(number):
        expert = make_expert(owner, priority=priority, versions=versions)
        expert_approve(steward=steward, expert=expert)
    actions.reconcile()


def do_next(seconds: float = 0) -> Job:
    """A worker takes the next job and finishes it, so many seconds later."""
    job = actions.job_claim_next(worker="bench:1")
    assert job is not None
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False):
        actions.job_finish(job=job)
    return job


def owner_of(job: Job) -> User:
    assert job.expert is not None
    return job.expert.owner


def told(client: Client, job: Job) -> str:
    response = client.get(job.get_absolute_url())
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_fifty_jobs_of_one_member_do_not_starve_one_of_another(
    client: Client, ada: User, bo: User, steward: User
) -> None:
    queue_many(ada, steward, 50)
    do_next()
    single = make_job(bo, steward)

    assert "Next in the queue" in told(client, single)
    assert do_next() == single
    # And with two workers: one is at work for her, so his second comes before her next.
    assert owner_of(actions.job_claim_next(worker="bench:1")) == ada  # type: ignore[arg-type]
    second = make_job(bo, steward)
    assert do_next() == second
    assert Job.objects.waiting().count() == 48


def test_a_page_says_why_a_job_waits_and_for_how_long(
    client: Client, ada: User, bo: User, steward: User
) -> None:
    mine = make_job(ada, steward)
    assert "cannot be told" in told(client, mine)
    do_next(seconds=90)

    waits = [make_job(ada, steward) for _ in range(2)]
    others = [make_job(bo, steward) for _ in range(3)]
    composing_release(steward, [make_eligible_expert(bo, steward)])

    text = told(client, others[1])
    assert "Number 4 in the queue" in text
    assert (
        "Before it: 1 job of 1 other member and 1 job of the same member and 1 release. "
        "Members take turns." in text
    )
    # Nobody has composed a release here yet.
    assert "cannot be told" in text
    release = Queue().ready[0]
    composing = actions.job_claim_next(worker="bench:1")
    assert composing is not None and composing.pk == release
    actions.job_fail(job=composing, reason="No space left.")

    text = told(client, waits[1])
    assert "Before it: 2 jobs of 1 other member and 1 job of the same member." in text
    assert "Begins in about</dt><dd>4 min 30 s" in text
    assert "Done in about</dt><dd>6 min" in text


def test_a_steward_puts_a_job_first_for_a_public_reason(
    client: Client, ada: User, bo: User, steward: User
) -> None:
    queue_many(ada, steward, 3)
    late = make_job(bo, steward)
    last = Job.objects.waiting().filter(expert__owner=ada).last()
    assert last is not None
    client.force_login(bo)
    assert "Change its place" not in told(client, last)
    assert client.post(f"/jobs/{last.pk}/prioritise/", {"reason": "Me!"}).status_code == 404

    client.force_login(steward)
    assert "Change its place" in told(client, last)
    client.post(f"/jobs/{last.pk}/prioritise/", {"priority": "1", "reason": "The fair is today."})

    client.logout()
    assert "A steward put it first: The fair is today. It is next." in told(client, last)
    entry = Entry.objects.get(action="job.prioritised")
    assert (entry.reason, entry.data["priority"]) == ("The fair is today.", "first")
    assert "The fair is today." in " ".join(client.get("/ledger/").content.decode().split())
    assert do_next() == last

    client.force_login(steward)
    client.post(f"/jobs/{late.pk}/prioritise/", {"priority": "-1", "reason": "A mistake."})
    assert Queue().ready[-1] == late.pk
    assert "A steward put it behind all others: A mistake. Before it:" in told(client, late)


def test_without_a_reason_or_out_of_the_queue_no_place_is_changed(ada: User, steward: User) -> None:
    job = make_job(ada, steward)
    with pytest.raises(Refused, match="public reason"):
        actions.job_prioritise(steward=steward, job=job, priority=1, reason=" ")
    with pytest.raises(Refused, match="in its turn already"):
        actions.job_prioritise(steward=steward, job=job, priority=0, reason="Why not.")
    actions.job_claim_next(worker="bench:1")
    with pytest.raises(Refused, match="running already"):
        actions.job_prioritise(steward=steward, job=job, priority=1, reason="Quick.")


def test_what_lost_its_worker_goes_on_first(
    ada: User, bo: User, steward: User, settings: Settings
) -> None:
    job = make_job(ada, steward)
    make_job(bo, steward)
    actions.job_claim_next(worker="bench:1")
    with time_machine.travel(timezone.now() + HOUR, tick=False):
        actions.reconcile()

        assert Queue().ready[0] == job.pk


def test_a_used_up_week_holds_what_waits_and_counts_what_was_finished_alone(
    client: Client, ada: User, bo: User, steward: User, settings: Settings
) -> None:
    settings.MOSAIC_TRAINING_MINUTES_A_WEEK = 60
    for _ in range(3):
        failing = make_job(ada, steward)
        assert actions.job_claim_next(worker="bench:1") == failing
        with time_machine.travel(timezone.now() + HOUR, tick=False):
            actions.job_fail(job=failing, reason="The disk is full.")
    # Three hours came to nothing, so none of them counts.
    make_job(ada, steward)
    do_next(seconds=3600)
    held, free = make_job(ada, steward), make_job(bo, steward)

    assert Queue().ready == [free.pk]
    assert Queue().held == [held.pk]
    text = told(client, held)
    assert "Held" in text
    assert "has used the 60 training minutes of seven days" in text
    do_next()
    assert actions.job_claim_next(worker="bench:1") is None
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        assert Queue().ready == [held.pk]

    actions.job_prioritise(steward=steward, job=held, priority=1, reason="For the fair.")
    assert do_next() == held


def test_a_week_ends_as_what_was_finished_grows_old() -> None:
    now = timezone.now()
    used = [(now - HOUR, 3 * HOUR), (now - 2 * HOUR, HOUR), (now - 3 * HOUR, HOUR)]

    assert held_until(used, 6 * HOUR) is None
    assert held_until(used, 5 * HOUR) == now - 3 * HOUR + timedelta(days=7)
    assert held_until(used, 4 * HOUR) == now - 2 * HOUR + timedelta(days=7)
    assert held_until([], HOUR) is None


def test_so_many_experts_of_a_member_may_wait_and_no_more(
    ada: User, steward: User, settings: Settings
) -> None:
    settings.MOSAIC_WAITING_EXPERTS = 2
    first, _ = make_expert(ada), make_expert(ada)
    with pytest.raises(Refused, match="2 of your experts wait"):
        make_expert(ada)

    expert_approve(steward=steward, expert=first)
    actions.reconcile()
    do_next()
    make_expert(ada)
