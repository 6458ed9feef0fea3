"""A worker that is told to end: its job goes back into the queue, and nobody counts it."""

import os
import signal
import threading

import pytest
from django.db import connection
from pytest_django.fixtures import Settings

from contributions.models import Expert
from mosaic_site.members.models import User
from tests.factories import make_user
from tests.training_workers.makers import make_job, register_pocket
from training_workers.actions import job_cancel
from training_workers.models import Job
from training_workers.runs.work import work

pytestmark = pytest.mark.django_db(transaction=True)

ENDLESS = {"rank": 4, "alpha": 8, "batch_size": 4, "passes": 1000, "max_tokens": None}


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def job(owner: User) -> Job:
    register_pocket()
    job = make_job(owner, make_user(steward=True))
    assert job.expert is not None
    Expert.objects.filter(pk=job.expert.pk).update(recipe=ENDLESS)
    return job


def once_it_takes_steps(job: Job, then: str, owner: User) -> threading.Thread:
    """While the job is done by the main thread, as in a worker's child."""

    def wait() -> None:
        at_work = Job.objects.filter(pk=job.pk, status="running", progress__phase="training")
        while not at_work.exists():
            pass
        if then == "cancel":
            job_cancel(actor=owner, job=job)
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_worker_may_be_stopped_more_often_than_it_may_die(
    job: Job, owner: User, settings: Settings
) -> None:
    settings.MOSAIC_JOB_ATTEMPTS = 2
    before = signal.getsignal(signal.SIGTERM)
    for attempt in range(1, 4):
        waiting = once_it_takes_steps(job, "stop", owner)
        assert work()
        waiting.join()
        job.refresh_from_db()
        assert (job.status, job.attempt, job.lost) == (Job.Status.QUEUED, attempt, 0)
        assert job.reason.endswith("was stopped; the job goes on from its checkpoint.")
        assert signal.getsignal(signal.SIGTERM) is before
    waiting = once_it_takes_steps(job, "cancel", owner)
    assert work()
    waiting.join()
    job.refresh_from_db()
    assert (job.status, job.attempt) == (Job.Status.CANCELLED, 4)
