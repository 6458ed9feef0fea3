"""Real serving processes on one real Redis and one database: killed, stopped, and many at once."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection

from mosaic_site.settings.base import REPOSITORY
from tests.training_workers.composed import QUESTIONS
from tests.training_workers.conftest import Compose
from training_workers.engine.strategies.mixture import Mixture
from training_workers.engine.strategies.nearest import Nearest
from training_workers.models import Release
from training_workers.serving.client import ask, ask_and_wait
from training_workers.serving.wire import ALIVE, Asked, Event, alive_key, answer_key

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

Start = Callable[[int], list["subprocess.Popen[bytes]"]]


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def start(line: "redis.Redis", people: Any, tmp_path: Path) -> Iterator[Start]:
    """Start so many serving processes, and wait until all of them serve."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "db.sqlite3").symlink_to(connection.settings_dict["NAME"])
    (home / "media").symlink_to(settings.MEDIA_ROOT)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.local",
        "MOSAIC_HOME": str(home),
        "REDIS_URL": settings.REDIS_URL,
    }
    running: list[subprocess.Popen[bytes]] = []

    def begin(count: int) -> list["subprocess.Popen[bytes]"]:
        command = [sys.executable, str(REPOSITORY / "manage.py"), "serve_model"]
        new = [subprocess.Popen(command, env=environment) for _ in range(count)]
        running.extend(new)
        for process in new:
            until(lambda pid=process.pid: bool(line.keys(alive_key(f"*:{pid}:*"))))  # type: ignore[misc]
        until(lambda: bool(line.exists(ALIVE)))
        return new

    yield begin
    for process in running:
        process.kill()
        process.wait()


def text_of(events: list[Event]) -> str:
    return "".join(event["text"] for event in events if event["kind"] == "token")


def takers(line: "redis.Redis") -> dict[str, int]:
    """The process that has each question which is being answered."""
    found = {}
    for key in line.keys(answer_key("*")):
        entries: Any = line.xrange(key)
        events = [json.loads(fields["event"]) for _, fields in entries]
        by = [event["by"] for event in events if event["kind"] == "taken"]
        if by and events[-1]["kind"] != "done":
            found[str(key)] = int(by[0].split(":")[1])
    return found


def test_two_share_the_line_and_one_that_is_killed_loses_no_question(
    start: Start, compose: Compose, line: "redis.Redis"
) -> None:
    compose(Mixture)
    processes = start(2)
    questions = [
        Asked(f"{text} {number}", max_new_tokens=100, asker=f"{number}")
        for number in range(8)
        for text in QUESTIONS
    ]
    with ThreadPoolExecutor(len(questions)) as crowd:
        answers = [crowd.submit(ask_and_wait, question) for question in questions]
        until(lambda: len(set(takers(line).values())) == 2)
        # Held still, so that what is killed is surely in the middle of an answer.
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        has_some = set(takers(line).values())
        victim, other = sorted(processes, key=lambda process: process.pid not in has_some)
        assert victim.pid in has_some
        victim.kill()
        other.send_signal(signal.SIGCONT)
        told = [answer.result() for answer in answers]
    assert all(events[-1]["kind"] == "done" for events in told)
    again = [events for events in told if any(event["kind"] == "again" for event in events)]
    assert again
    for question, events in zip(questions, told, strict=True):
        if events in again:
            assert text_of(events) == text_of(ask_and_wait(question))
    assert not line.keys(answer_key("*"))


def test_a_stop_lets_what_is_being_answered_end_and_takes_nothing_more(
    start: Start, compose: Compose, line: "redis.Redis"
) -> None:
    compose(Mixture)
    (process,) = start(1)
    begun: list[Event] = []

    async def stop_in_the_middle() -> list[Event]:
        events = []
        async for event in ask(Asked(QUESTIONS[0], max_new_tokens=20)):
            events.append(event)
            if not begun:
                begun.append(event)
                process.terminate()
        return events

    events = asyncio.run(stop_in_the_middle())
    assert [event["kind"] for event in events][-1] == "done"
    assert process.wait(60) == 0
    assert not line.keys(alive_key("*"))


def test_a_new_release_goes_live_while_the_one_before_it_answers(
    start: Start, compose: Compose, line: "redis.Redis"
) -> None:
    compose(Nearest)
    start(1)
    asked = Asked(QUESTIONS[0], max_new_tokens=100)
    until(lambda: ask_and_wait(asked)[0]["release"] == 1)
    before = text_of(ask_and_wait(asked))
    numbers: list[int] = []

    async def swap_in_the_middle() -> list[Event]:
        events = []
        async for event in ask(asked):
            events.append(event)
            if len(events) == 1:
                await asyncio.to_thread(compose, Mixture)
        return events

    events = asyncio.run(swap_in_the_middle())
    assert events[-1]["kind"] == "done" and events[0]["release"] == 1
    assert text_of(events) == before

    def is_new() -> bool:
        numbers.append(ask_and_wait(Asked("hi", 2))[0]["release"])
        return numbers[-1] == 2

    until(is_new)
    assert set(numbers) <= {1, 2}
    assert Release.objects.live().get().number == 2
