"""A question whose taker dies is asked again, and what was told is not told again."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import redis

from training_workers.serving import client
from training_workers.serving.line import take, wait_for_one
from training_workers.serving.wire import (
    ALIVE,
    MOST_TRIES,
    QUESTIONS,
    Asked,
    Event,
    alive_key,
    answer_key,
)

DONE: Event = {"kind": "done", "tokens": 0, "seconds": 0.0}


@pytest.fixture
def asked(line: "redis.Redis") -> Iterator["Future[list[Event]]"]:
    """Somebody who asks."""
    line.set(ALIVE, "1")
    with ThreadPoolExecutor(1) as person:
        yield person.submit(client.ask_and_wait, Asked("hello"))


def taken(line: "redis.Redis", taker: str) -> str:
    """The id under which `taker` gets the question."""
    for _ in range(8):
        wait_for_one(line, 1)
        for question_id, asked in take(line, taker, most=1, most_of_one=1, in_hand={}):
            assert asked == Asked("hello")
            return question_id
    raise AssertionError("nobody asked")


def say(line: "redis.Redis", question_id: str, *events: Event) -> None:
    for event in events:
        line.xadd(answer_key(question_id), {"event": json.dumps(event)}, nomkstream=True)


def token(text: str) -> Event:
    return {"kind": "token", "text": text}


def test_a_question_whose_taker_died_is_asked_again(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    lost = taken(line, "first")
    line.delete(alive_key("first"))
    again = taken(line, "second")
    say(line, lost, token("too late"), DONE)
    say(line, again, DONE)
    assert asked.result() == [{"kind": "again"}, DONE]
    assert line.zcard(QUESTIONS) == 0
    assert not line.exists(answer_key(lost), answer_key(again))


def test_an_answer_goes_on_where_the_one_who_died_left_it(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    lost = taken(line, "first")
    route: Event = {"kind": "route", "release": 3}
    say(line, lost, route, token("one"), token(" two"))
    line.delete(alive_key("first"))
    again = taken(line, "second")
    say(line, again, route, token("one"), token(" two"), token(" three"), DONE)
    told = [route, token("one"), token(" two"), {"kind": "again"}, token(" three"), DONE]
    assert asked.result() == told


def test_an_answer_that_comes_out_differently_is_not_patched_up(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    say(line, taken(line, "first"), token("one"), token(" two"))
    line.delete(alive_key("first"))
    say(line, taken(line, "second"), token("one"), token(" zwei"), DONE)
    events = asked.result()
    assert [event["kind"] for event in events] == ["token", "token", "again", "error"]
    assert "broke down" in events[-1]["message"]


def test_a_last_word_before_the_end_counts(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    question = taken(line, "first")
    say(line, question, token("all"), DONE)
    line.delete(alive_key("first"))
    assert asked.result() == [token("all"), DONE]


def test_a_question_that_kills_whoever_takes_it_is_not_asked_for_ever(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    for turn in range(MOST_TRIES):
        taken(line, f"{turn}")
        line.delete(alive_key(f"{turn}"))
    *again, error = asked.result()
    assert again == [{"kind": "again"}] * MOST_TRIES
    assert error["kind"] == "error" and line.zcard(QUESTIONS) == 0


def test_a_question_survives_that_redis_forgets_everything(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    taken(line, "first")
    line.flushall()
    say(line, taken(line, "second"), DONE)
    assert asked.result()[-1] == DONE


def test_a_question_that_waits_is_not_asked_twice(
    line: "redis.Redis", asked: "Future[list[Event]]"
) -> None:
    line.config_resetstat()
    wait_for_one(line, 4)
    while line.info("commandstats").get("cmdstat_xread", {"calls": 0})["calls"] < 3:
        wait_for_one(line, 0.05)
    assert line.zcard(QUESTIONS) == 1
    say(line, taken(line, "first"), DONE)
    assert asked.result() == [DONE]
