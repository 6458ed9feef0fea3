"""What Prometheus is told, and whether requests can be sent here."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
import time_machine
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import Settings

from mosaic_site.monitoring import measures, views
from tests.factories import make_user
from tests.training_workers.makers import begin, make_job, make_live_release, step
from training_workers.actions import job_finish
from training_workers.models import Job
from training_workers.serving.wire import QUESTIONS

pytestmark = pytest.mark.django_db

TOKEN = "a-token-of-the-operator"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def nothing_measured() -> Iterator[None]:
    measures._pending.clear()
    views._looked = (float("-inf"), {})
    yield
    views._looked = (float("-inf"), {})


def scrape(client: Client) -> Samples:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


@pytest.fixture
def watched(settings: Settings) -> None:
    settings.MOSAIC_METRICS_TOKEN = TOKEN


@pytest.mark.parametrize("sent", ["", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer "])
def test_metrics_are_for_who_brings_the_token(client: Client, watched: None, sent: str) -> None:
    assert client.get("/metrics", headers={"Authorization": sent}).status_code == 404


@pytest.mark.parametrize("sent", ["", "Bearer ", "Bearer x"])
def test_without_a_token_set_they_are_for_nobody(client: Client, sent: str) -> None:
    assert client.get("/metrics", headers={"Authorization": sent}).status_code == 404


def test_the_queue_the_jobs_and_the_box_are_told(
    client: Client, watched: None, line: "redis.Redis"
) -> None:
    ada, vera = make_user("ada"), make_user("vera", steward=True)
    make_live_release(ada, vera)  # three ballots' worth of rows, one composing done
    done = begin(make_job(ada, vera))
    with time_machine.travel(timezone.now() + timedelta(seconds=40), tick=False):
        job_finish(job=done)
    running = begin(make_job(ada, vera))
    step(running, 5)
    with time_machine.travel(timezone.now() - timedelta(minutes=10), tick=False):
        waiting = make_job(ada, vera)
    line.zadd(QUESTIONS, {"one": 1, "two": 2})

    samples = scrape(client)

    assert value(samples, "mosaic_queue_depth", queue="gpu") == 1
    assert 599 < value(samples, "mosaic_queue_oldest_seconds", queue="gpu") < 660
    assert value(samples, "mosaic_queue_depth", queue="checks") == 0
    assert value(samples, "mosaic_jobs", kind="train", status="running") == 1
    bucket = "mosaic_job_duration_seconds_bucket"
    assert value(samples, bucket, kind="train", le="30.0") == 0
    assert value(samples, bucket, kind="train", le="60.0") == 1
    assert value(samples, bucket, kind="train", le="+Inf") == 1
    assert value(samples, "mosaic_training_tokens_per_second") == 2345
    assert value(samples, "mosaic_casts_total") >= 1
    assert value(samples, "mosaic_serving_questions_waiting") == 2
    assert value(samples, "mosaic_redis_up") == 1
    assert waiting.status == Job.Status.QUEUED


def test_measures_of_several_processes_add_up(
    client: Client, watched: None, line: "redis.Redis"
) -> None:
    for seconds in (0.004, 0.3):
        measures.REQUESTS.observe(seconds, "home", "GET", "2xx")
        measures.send()  # as if each were another process's
    measures.TASK_FAILURES.count("a.task", "ValueError")
    measures.send()

    samples = scrape(client)

    about = {"address": "home", "method": "GET", "status": "2xx"}
    name = "mosaic_http_request_duration_seconds"
    assert value(samples, f"{name}_bucket", **about, le="0.005") == 1
    assert value(samples, f"{name}_bucket", **about, le="0.25") == 1
    assert value(samples, f"{name}_bucket", **about, le="0.5") == 2
    assert value(samples, f"{name}_count", **about) == 2
    assert value(samples, f"{name}_sum", **about) == pytest.approx(0.304)
    failed = {"task": "a.task", "exception": "ValueError"}
    assert value(samples, "mosaic_task_failures_total", **failed) == 1


def test_what_redis_could_not_take_is_sent_when_it_is_back(
    client: Client, watched: None, settings: Settings, line: "redis.Redis"
) -> None:
    there, settings.REDIS_URL = settings.REDIS_URL, "redis://127.0.0.1:1/0"
    measures.ANSWERS.observe(0.2, "done")
    measures.send()
    assert value(scrape(client), "mosaic_redis_up") == 0

    settings.REDIS_URL = there
    measures.send()

    assert value(scrape(client), "mosaic_serving_answer_seconds_count", outcome="done") == 1


def test_ready_where_all_parts_are(client: Client, line: "redis.Redis") -> None:
    response = client.get("/readyz")

    assert response.status_code == 200
    parts = {"database": "ok", "migrations": "ok", "redis": "ok", "storage": "ok"}
    assert response.json() == {"ready": True, "parts": parts}


def test_not_ready_without_redis_and_says_no_more_than_that(client: Client) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["parts"]["redis"] == "error"
    assert response.json()["parts"]["database"] == "ok"
    assert "127.0.0.1" not in response.content.decode()
    assert client.get("/healthz").status_code == 200
