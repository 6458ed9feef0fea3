"""Jobs and releases whose worker, expert or approval is gone before they are done."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from contributions.actions import expert_withdraw
from contributions.models import Expert
from mosaic_site.errors import Refused
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_user
from tests.training_workers.makers import begin, composing_release, make_job, register_pocket
from training_workers import actions
from training_workers.actions.reconciling import queue_training
from training_workers.actions.releases import release_retry
from training_workers.models import Job, Release
from training_workers.runs.work import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def fall_silent(job: Job) -> None:
    long_ago = timezone.now() - timedelta(seconds=settings.MOSAIC_HEARTBEAT_TIMEOUT_SECONDS + 1)
    Job.objects.filter(pk=job.pk).update(heartbeat_at=long_ago)
    actions.reconcile()


def test_a_worker_that_comes_back_too_late_changes_nothing(owner: User, steward: User) -> None:
    job = begin(make_job(owner, steward))
    fall_silent(job)

    actions.job_fail(job=job, reason="The first worker's memory is full.")
    with pytest.raises(Refused, match="taken from its worker"):
        actions.job_finish(job=job)
    again = begin(job, worker="bench:2")
    actions.job_fail(job=job, reason="The first worker's memory is full.")

    again.refresh_from_db()
    assert (again.status, again.attempt) == (Job.Status.RUNNING, 2)


def test_an_expert_that_was_cancelled_meanwhile_is_not_queued(owner: User, steward: User) -> None:
    job = make_job(owner, steward)
    actions.job_cancel(actor=owner, job=job)

    assert job.expert is not None
    queue_training(expert_id=job.expert.pk)

    assert not Job.objects.active().exists()


def test_a_mistake_in_the_worker_ends_the_job_at_once_and_is_told_apart(
    owner: User, steward: User
) -> None:
    register_pocket()
    job = make_job(owner, steward)
    assert job.expert is not None
    Expert.objects.filter(pk=job.expert.pk).update(recipe=["no", "recipe"])

    with pytest.raises(AttributeError):
        work()

    job.refresh_from_db()
    assert job.status == Job.Status.FAILED
    assert job.reason.startswith("The worker made a mistake (AttributeError")


def test_a_release_does_not_go_live_with_an_expert_that_left_while_it_was_composed(
    owner: User, steward: User
) -> None:
    stays, leaves = (make_eligible_expert(owner, steward) for _ in range(2))
    release = composing_release(steward, [stays, leaves])
    job = actions.job_claim_next(worker="bench:1")
    assert job is not None
    expert_withdraw(actor=owner, expert=leaves, reason="")

    with pytest.raises(Refused, match="left meanwhile"):
        actions.release_go_live(
            release=release,
            strategy="nearest",
            strategy_folder="releases/1",
            report={},
            credits={stays.pk: 0.5, leaves.pk: 0.5},
        )
    actions.job_fail(job=job, reason="An expert left meanwhile.")
    release_retry(steward=steward, release=release)
    assert actions.job_claim_next(worker="bench:1") is not None
    actions.release_go_live(
        release=release,
        strategy="nearest",
        strategy_folder="releases/1",
        report={},
        credits={stays.pk: 1.0},
    )

    live = Release.objects.live().get()
    assert [member.expert for member in live.members.all()] == [stays]
