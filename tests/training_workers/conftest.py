"""A real Redis, and a peer that answers questions over it as the serving process does."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from django.core.cache import cache
from pytest_django.fixtures import Settings

from contributions.models import Expert
from mosaic_site.members.models import User
from tests import servers
from tests.factories import make_user
from tests.training_workers.composed import compose_at_random
from tests.training_workers.makers import register_pocket
from training_workers.engine.routing import Router
from training_workers.engine.strategies import Strategy
from training_workers.serving.line import take, wait_for_one
from training_workers.serving.process import ServingProcess, connect
from training_workers.serving.wire import ALIVE, ALIVE_SECONDS, Asked, Event, answer_key

Serve = Callable[[Sequence[Event]], list[Asked]]
Begin = Callable[[], ServingProcess]
Compose = Callable[[Callable[[Router], Strategy]], list[Expert]]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a Redis of its own."""
    with servers.redis_server() as address:
        yield address


@pytest.fixture
def line(redis_server: str, settings: Settings) -> Iterator["redis.Redis"]:
    """The line to the model: an empty Redis that the site uses too. Nobody serves on it."""
    settings.REDIS_URL = redis_server
    cache.clear()
    client: redis.Redis = redis.Redis.from_url(redis_server, decode_responses=True)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def serve(line: "redis.Redis") -> Iterator[Serve]:
    """Begin to serve: every question is answered with these events. Returns the questions."""
    stopping = threading.Event()
    threads: list[threading.Thread] = []

    def begin(events: Sequence[Event]) -> list[Asked]:
        questions: list[Asked] = []
        line.set(ALIVE, "1")

        def answer() -> None:
            while not stopping.is_set():
                wait_for_one(line, 1)
                taken = take(line, "peer", most=1, most_of_one=1, in_hand={})
                for question_id, asked in taken:
                    questions.append(asked)
                    for event in events:
                        line.xadd(answer_key(question_id), {"event": json.dumps(event)})

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return questions

    yield begin
    stopping.set()
    for thread in threads:
        thread.join()


@pytest.fixture
def people(settings: Settings, tmp_path: Path) -> tuple[User, User]:
    """An owner and a steward, in a community whose base is pocket."""
    settings.MEDIA_ROOT = tmp_path
    register_pocket()
    return make_user("ada"), make_user("vera", steward=True)


@pytest.fixture
def begin(line: "redis.Redis", people: tuple[User, User]) -> Iterator[Begin]:
    """Let a serving process run, on what is live."""
    running: list[tuple[ServingProcess, threading.Thread]] = []

    def run() -> ServingProcess:
        process = ServingProcess(connect())
        process.look_at_rows()
        line.set(ALIVE, "1", ex=ALIVE_SECONDS)
        running.append((process, threading.Thread(target=process.run)))
        running[-1][1].start()
        return process

    yield run
    for process, thread in running:
        process.stop()
        thread.join()


@pytest.fixture
def compose(people: tuple[User, User]) -> Compose:
    """Put a release of three random experts live. The strategy gets a router whose table says
    that each of them, in their order, was right on one of QUESTIONS, and so warm that all have a
    say in every answer."""

    def make(strategy_of: Callable[[Router], Strategy]) -> list[Expert]:
        return compose_at_random(*people, strategy_of)

    return make
