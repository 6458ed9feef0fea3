"""What people see of a job, and stopping it."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from mosaic_site.members.models import User
from tests.factories import make_user
from tests.training_workers.makers import begin, make_job, step
from training_workers.actions import job_cancel, job_fail
from training_workers.models import Job, JobEvent
from training_workers.panel import MOST_POINTS, panel_of

pytestmark = pytest.mark.django_db

QUERIES = 12


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def test_a_queued_job_tells_its_place(client: Client, owner: User, steward: User) -> None:
    first, second = make_job(owner, steward), make_job(owner, steward)

    assert "Next in the queue" in page(client, first.get_absolute_url())
    assert "Number 2 in the queue" in page(client, second.get_absolute_url())


def test_a_running_job_tells_step_loss_speed_and_time_left(
    client: Client, owner: User, steward: User
) -> None:
    job = begin(make_job(owner, steward))
    step(job, 30, of=120, loss=1.25)

    text = page(client, job.get_absolute_url())

    for said in ("30 / 120", "1.250", "2,345", "12 s", "bench:1", "345 MiB"):
        assert said in text
    assert '<progress value="30" max="120"' in text
    assert f'ws-connect="/ws/jobs/{job.pk}/"' in text


def test_a_failed_job_shows_its_reason(client: Client, owner: User, steward: User) -> None:
    job = begin(make_job(owner, steward))
    job_fail(job=job, reason="The loss is not a number from step 3 on.")

    text = page(client, job.get_absolute_url())

    assert "The loss is not a number from step 3 on." in text
    # Nothing more will happen to it, so no socket is opened.
    assert "ws-connect" not in text


def test_the_panel_alone_needs_no_socket(client: Client, owner: User, steward: User) -> None:
    job = begin(make_job(owner, steward))
    step(job, 7)

    text = page(client, f"/jobs/{job.pk}/panel/")

    assert "7 / 100" in text
    assert "<html" not in text


def test_a_long_curve_is_thinned_but_ends_with_the_newest_step(owner: User, steward: User) -> None:
    job = begin(make_job(owner, steward))
    JobEvent.objects.bulk_create(
        JobEvent(
            job=job,
            sequence=job.last_sequence + number,
            kind="progress",
            data={"step": number, "loss": 1 / number},
            at=job.created_at,
        )
        for number in range(1, 3001)
    )
    job.last_sequence += 3000
    job.progress = {"step": 3000, "loss": 1 / 3000}
    job.save()

    points = panel_of(job).points

    assert MOST_POINTS / 2 < len(points) <= MOST_POINTS + 1
    assert points == sorted(points)
    assert points[-1] == (3000, 1 / 3000)


def test_a_step_done_again_after_a_restart_is_drawn_once(owner: User, steward: User) -> None:
    job = begin(make_job(owner, steward))
    for number, loss in ((1, 4.0), (2, 3.0), (2, 2.5)):
        step(job, number, loss=loss)
    job.refresh_from_db()

    assert panel_of(job).points == [(1, 4.0), (2, 2.5)]


def test_an_unknown_job_is_not_found(client: Client) -> None:
    for url in ("/jobs/99/", "/jobs/99/panel/", "/experts/99/training/"):
        assert client.get(url).status_code == 404


class TestCancel:
    def test_by_its_owner_with_a_reason(self, client: Client, owner: User, steward: User) -> None:
        job = make_job(owner, steward)
        client.force_login(owner)
        assert "Cancel this training" in page(client, job.get_absolute_url())

        response = client.post(f"/jobs/{job.pk}/cancel/", {"reason": "Wrong file."}, follow=True)

        job.refresh_from_db()
        assert job.status == Job.Status.CANCELLED
        assert "The job is cancelled." in response.content.decode()
        assert job.expert is not None and job.expert.status_reason == "Wrong file."

    def test_a_running_one_stops_at_its_next_step(
        self, client: Client, owner: User, steward: User
    ) -> None:
        job = begin(make_job(owner, steward))
        client.force_login(steward)

        response = client.post(f"/jobs/{job.pk}/cancel/", follow=True)

        job.refresh_from_db()
        assert job.status == Job.Status.RUNNING and job.cancel_requested
        assert "at its next step" in response.content.decode()
        assert "Stopping" in page(client, job.get_absolute_url())

    def test_twice_is_refused_in_words(self, client: Client, owner: User, steward: User) -> None:
        job = make_job(owner, steward)
        job_cancel(actor=owner, job=job)
        client.force_login(owner)

        response = client.post(f"/jobs/{job.pk}/cancel/", follow=True)

        assert "there is nothing to cancel" in response.content.decode()

    def test_is_neither_shown_nor_open_to_others(
        self, client: Client, owner: User, steward: User
    ) -> None:
        job = make_job(owner, steward)
        url = f"/jobs/{job.pk}/cancel/"
        assert "Cancel this training" not in page(client, job.get_absolute_url())
        assert client.post(url).headers["Location"].startswith("/account/login/")

        client.force_login(make_user())
        assert "Cancel this training" not in page(client, job.get_absolute_url())
        assert client.post(url).status_code == 404
        client.force_login(owner)
        assert client.get(url).status_code == 405
        job.refresh_from_db()
        assert job.status == Job.Status.QUEUED


class TestOnTheExpertsPage:
    def test_before_the_job_is_there_the_page_asks_again(
        self, client: Client, owner: User, steward: User
    ) -> None:
        job = make_job(owner, steward)
        url = f"/experts/{job.expert_id}/training/"
        Job.objects.all().delete()
        assert f'hx-get="{url}"' in page(client, url)

        Job.objects.create(kind=Job.Kind.TRAIN, expert=job.expert)
        text = page(client, url)
        assert f'hx-get="{url}"' not in text
        assert "ws-connect" in text


@pytest.mark.parametrize("events", [3, 300])
def test_queries_do_not_grow_with_events(
    client: Client,
    owner: User,
    steward: User,
    events: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    job = begin(make_job(owner, steward))
    for number in range(1, events):
        step(job, number)
    client.force_login(owner)

    with django_assert_max_num_queries(QUERIES):
        page(client, job.get_absolute_url())
