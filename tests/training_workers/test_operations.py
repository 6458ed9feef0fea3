"""The operations page: everything an operator must see, from real rows and a real Redis."""

import logging

import pytest
import redis
from celery import shared_task
from django.test import Client
from pytest_django.fixtures import Settings

from mosaic_site import heartbeats
from mosaic_site.health import routine
from mosaic_site.members.models import User
from tests.factories import make_user
from tests.training_workers.makers import begin, make_job, step
from training_workers.actions import job_fail, job_prioritise
from training_workers.serving.wire import ALIVE, QUESTIONS

pytestmark = pytest.mark.django_db


@pytest.fixture
def steward(client: Client) -> User:
    vera = make_user("vera", steward=True)
    client.force_login(vera)
    return vera


def page(client: Client) -> str:
    response = client.get("/operations/")
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_without_redis_it_says_so_and_the_rest_is_shown(client: Client, steward: User) -> None:
    begin(make_job(make_user("ada"), steward))

    text = page(client)

    assert "Redis does not answer" in text
    assert "No worker is heard" in text
    assert "At work" in text


def test_who_lives_and_what_they_do(client: Client, steward: User, line: "redis.Redis") -> None:
    heartbeats.say(
        heartbeats.WORKER, "worker-gpu@bench", queues=["gpu"], tasks=["training_workers.tasks.work"]
    )
    heartbeats.say(heartbeats.BEAT, "bench:7")
    line.set(ALIVE, "1")
    line.zadd(QUESTIONS, {"one": 1, "two": 2, "three": 3})

    text = page(client)

    for said in ("worker-gpu@bench", "training_workers.tasks.work", "bench:7", "Answers"):
        assert said in text
    assert "3 questions wait" in text
    assert "Redis does not answer" not in text


def test_the_queue_in_its_order_and_what_failed(
    client: Client, steward: User, line: "redis.Redis"
) -> None:
    ada, bo = make_user("ada"), make_user("bo")
    failing = begin(make_job(ada, steward, name="Fails"))
    job_fail(job=failing, reason="No space left.")
    running = begin(make_job(ada, steward, name="Runs"))
    step(running, 30)
    for owner, name in ((ada, "Hers"), (bo, "His"), (bo, "His second")):
        last = make_job(owner, steward, name=name)
    job_prioritise(steward=steward, job=last, priority=1, reason="The fair.")

    text = page(client)

    places = [text.index(f">training of {name}<") for name in ("His second", "His", "Hers")]
    assert places == sorted(places)
    assert "30 / 100" in text and "2,345" in text
    assert "No space left." in text


def test_a_task_that_broke_off_is_told_without_its_text(
    client: Client, steward: User, line: "redis.Redis", caplog: pytest.LogCaptureFixture
) -> None:
    @shared_task
    def stumble() -> None:
        raise ValueError("the secret that somebody typed")

    with caplog.at_level(logging.CRITICAL):
        stumble.apply()

    text = page(client)
    assert "stumble" in text and "ValueError" in text
    assert "the secret" not in text


def test_what_the_doctor_found_is_told_with_its_remedy(
    client: Client, steward: User, line: "redis.Redis", settings: Settings
) -> None:
    assert "Nobody has looked in the last minutes" in page(client)
    routine.examine_and_keep()

    text = page(client)

    # There is no worker and no base here, and it says so.
    assert "Nobody works on the queue gpu." in text
    assert "No base is registered." in text
    assert "register_base" in text
    assert "All is well" not in text
