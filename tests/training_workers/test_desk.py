"""The steward's desk: everything that waits, and how the workers are."""

from datetime import timedelta

import pytest
import redis
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from contributions.models import Expert
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_expert, make_user
from tests.training_workers.makers import (
    begin,
    composing_release,
    make_job,
    provisional_round,
)
from training_workers.actions import job_claim_next, job_fail
from training_workers.models import Job
from training_workers.serving.wire import ALIVE

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


@pytest.fixture
def at_the_desk(client: Client, steward: User, line: "redis.Redis") -> Client:
    client.force_login(steward)
    return client


def desk(client: Client) -> str:
    response = client.get("/desk/")
    assert response.status_code == 200
    return response.content.decode()


def test_an_empty_desk_says_so(at_the_desk: Client) -> None:
    text = desk(at_the_desk)

    for said in (
        "No expert waits.",
        "No result waits",
        "Idle, nothing waits",
        "Nothing has failed.",
    ):
        assert said in text


def test_is_for_stewards(client: Client, owner: User) -> None:
    assert client.get("/desk/").headers["Location"].startswith("/account/login/")
    client.force_login(owner)
    assert client.get("/desk/").status_code == 404


def test_experts_wait_the_longest_first_and_are_answered_there(
    at_the_desk: Client, owner: User
) -> None:
    first, second = make_expert(owner, name="First one"), make_expert(owner, name="Second one")
    text = desk(at_the_desk)
    assert text.index("First one") < text.index("Second one")

    at_the_desk.post(f"/experts/{first.pk}/approve/")
    at_the_desk.post(f"/experts/{second.pk}/return/", {"reason": "Which questions?"})

    first.refresh_from_db()
    second.refresh_from_db()
    assert first.status == Expert.Status.APPROVED
    assert (second.status, second.status_reason) == (Expert.Status.RETURNED, "Which questions?")
    assert "No expert waits." in desk(at_the_desk)


def test_a_result_to_ratify_is_there(at_the_desk: Client, owner: User, steward: User) -> None:
    round_ = provisional_round(steward, [make_eligible_expert(owner, steward)], title="Spring vote")

    text = desk(at_the_desk)

    assert "Spring vote" in text and round_.get_absolute_url() in text
    assert "1 of 2 members voted" in text


def test_what_failed_is_there_with_its_reason(
    at_the_desk: Client, owner: User, steward: User
) -> None:
    job_fail(job=begin(make_job(owner, steward)), reason="The loss is not a number.")
    composing_release(steward, [make_eligible_expert(owner, steward)])
    composing = job_claim_next(worker="bench:1")
    assert composing is not None
    job_fail(job=composing, reason="Out of memory while fitting.")

    text = desk(at_the_desk)

    assert "The loss is not a number." in text
    assert "Out of memory while fitting." in text
    assert "/releases/1/retry/" in text


def test_the_queue_and_its_workers(at_the_desk: Client, owner: User, steward: User) -> None:
    first = make_job(owner, steward, name="In work")
    assert "Nobody has taken what waits" in desk(at_the_desk)
    make_job(owner, steward, name="Still waiting")
    begin(first)

    text = desk(at_the_desk)
    assert text.index("training of In work") < text.index("training of Still waiting")
    assert "At work" in text and "bench:1" in text

    long_ago = timezone.now() - timedelta(hours=1)
    Job.objects.filter(pk=first.pk).update(heartbeat_at=long_ago)
    assert "Fell silent" in desk(at_the_desk)


def test_whether_the_model_is_served(at_the_desk: Client, line: "redis.Redis") -> None:
    assert "Does not answer" in desk(at_the_desk)
    line.set(ALIVE, "1")
    assert "Does not answer" not in desk(at_the_desk)


@pytest.mark.parametrize("experts", [3, 30])
def test_queries_do_not_grow_with_what_waits(
    at_the_desk: Client,
    owner: User,
    steward: User,
    experts: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    version = make_expert(owner).versions.get()
    for _ in range(experts):
        make_expert(owner, versions=[version])

    with django_assert_max_num_queries(12):
        assert desk(at_the_desk).count("Approve for training") == experts + 1


@pytest.mark.parametrize(
    ("asked", "lands"), [("/desk/", "/desk/"), ("https://elsewhere.example/", "")]
)
def test_who_works_down_the_queue_stays_at_the_desk(
    at_the_desk: Client, owner: User, asked: str, lands: str
) -> None:
    expert = make_expert(owner)
    assert '<input type="hidden" name="next" value="/desk/">' in desk(at_the_desk)

    response = at_the_desk.post(f"/experts/{expert.pk}/approve/", {"next": asked})

    assert response["Location"] == (lands or expert.get_absolute_url())
