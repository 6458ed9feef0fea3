"""The line of those who ask: whose turn it is, and who is told to come again."""

import asyncio
from collections.abc import Sequence

import pytest
import redis
from django.conf import settings
from redis import asyncio as async_redis

from training_workers.serving.client import Busy, ask_and_wait
from training_workers.serving.line import Full, Place, take
from training_workers.serving.wire import (
    ALIVE,
    MOST_OF_ONE_WAITING,
    MOST_WAITING,
    QUESTIONS,
    RETRY_SECONDS,
    Asked,
    alive_key,
    answer_key,
)


def wait(*askers: str) -> list[Place]:
    """Let these join the line, one behind the other; each asks its place in it."""

    async def join() -> list[Place]:
        async with async_redis.Redis.from_url(settings.REDIS_URL) as connection:
            places = []
            for number, asker in enumerate(askers):
                places.append(Place(Asked(f"{asker}{number}", asker=asker)))
                await places[-1].join(connection)
            return places

    return asyncio.run(join())


def leave(places: Sequence[Place]) -> None:
    async def go() -> None:
        async with async_redis.Redis.from_url(settings.REDIS_URL) as connection:
            for place in places:
                await place.leave(connection)

    asyncio.run(go())


def taken(line: "redis.Redis", most: int, most_of_one: int = 99, **in_hand: int) -> list[str]:
    found = take(
        line, "me", most=most, most_of_one=most_of_one, in_hand={k: n for k, n in in_hand.items()}
    )
    return [str(asked.prompt) for _, asked in found]


def test_one_with_many_questions_does_not_go_before_one_with_a_single_question(
    line: "redis.Redis",
) -> None:
    wait(*"aaaaaa", *"bb", "c")
    assert taken(line, 3) == ["a0", "b6", "c8"]
    wait("d")
    # Who has been served is not behind for ever: d comes as the next of all others.
    assert taken(line, 9) == ["a1", "b7", "d0", "a2", "a3", "a4", "a5"]


def test_nobody_has_more_in_hand_than_a_share(line: "redis.Redis") -> None:
    wait(*"aaaa", *"bb")
    assert taken(line, 9, 2) == ["a0", "b4", "a1", "b5"]
    assert taken(line, 9, 2, a=2) == []
    assert taken(line, 9, 2, a=1) == ["a2"]
    assert taken(line, 9, 2, b=2) == ["a3"]


def test_whoever_has_no_name_is_somebody_new_each_time(line: "redis.Redis") -> None:
    wait(*[""] * 4)
    assert taken(line, 9, 1) == ["0", "1", "2", "3"]


def test_whoever_has_left_is_not_taken(line: "redis.Redis") -> None:
    places = wait(*"abc")
    leave(places[:1])
    line.delete(answer_key(places[1].id))  # as if its time was over
    assert taken(line, 9) == ["c2"]
    assert line.zcard(QUESTIONS) == 0 and line.exists(alive_key("me"))
    leave(places)
    assert set(line.keys("mosaic:serve:*")) == {alive_key("me"), f"{QUESTIONS}:turn"}


def test_the_line_is_full(line: "redis.Redis") -> None:
    line.set(ALIVE, "1")
    wait(*["a"] * MOST_OF_ONE_WAITING)
    with pytest.raises(Busy, match="Many questions of yours") as own:
        ask_and_wait(Asked("more", asker="a"))
    assert own.value.retry_after == RETRY_SECONDS
    with pytest.raises(Full):
        wait(*[""] * MOST_WAITING)
    assert line.zcard(QUESTIONS) == MOST_WAITING
    with pytest.raises(Busy, match="busy with many questions"):
        ask_and_wait(Asked("more", asker="b"))
    assert line.zcard(QUESTIONS) == MOST_WAITING
