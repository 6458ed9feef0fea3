"""A question whose taker dies before the first word is asked again; one that waits is not."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import redis

from training_workers.serving import client
from training_workers.serving.wire import ALIVE, QUESTIONS, Asked, Event, answer_key


@pytest.fixture
def asked(line: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> Iterator["Future[list[Event]]"]:
    """Somebody who asks, and looks after the question each time nothing was heard."""
    monkeypatch.setattr(client, "LOST_SECONDS", 0)
    line.set(ALIVE, "1")
    with ThreadPoolExecutor(1) as person:
        yield person.submit(client.ask_and_wait, Asked("hello"))


def take(line: "redis.Redis") -> str:
    taken = line.blpop([QUESTIONS], timeout=4)
    assert taken, "nobody asked"
    return str(taken[1])


def answer(line: "redis.Redis", question: str) -> None:
    key = answer_key(json.loads(question)["id"])
    line.xadd(key, {"event": json.dumps({"kind": "done", "tokens": 0, "seconds": 0.0})})


def test_a_question_whose_taker_died_is_asked_again(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    lost = take(line)
    again = take(line)
    assert again == lost
    answer(line, again)
    assert [event["kind"] for event in asked.result()] == ["done"]
    assert line.llen(QUESTIONS) == 0


def test_a_question_that_waits_is_not_asked_twice(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    line.config_resetstat()
    while line.info("commandstats").get("cmdstat_lpos", {"calls": 0})["calls"] < 2:
        time.sleep(0.05)
    assert line.llen(QUESTIONS) == 1
    answer(line, take(line))
    assert [event["kind"] for event in asked.result()] == ["done"]
