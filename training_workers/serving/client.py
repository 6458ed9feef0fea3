"""Asking the serving process. For the web process: no torch."""

import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

from mosaic_site.monitoring.measures import ANSWERS, FIRST_WORD
from training_workers.serving.line import Full, Place
from training_workers.serving.wire import (
    ALIVE,
    MOST_TRIES,
    PATIENCE_SECONDS,
    RETRY_SECONDS,
    Asked,
    Event,
    alive_key,
    answer_key,
)


class NotServed(Exception):
    """Nobody answers now. The message says why, in words for the person who asked."""


class Busy(NotServed):
    """Too many questions wait. `retry_after`: seconds after which it is worth another try."""

    def __init__(self, message: str, retry_after: int = RETRY_SECONDS) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def _connect() -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    return client


class _Lost(Exception):
    """Whoever took the question is gone."""


async def ask(asked: Asked) -> AsyncGenerator[Event, None]:
    """Yield the answer's events as they come (see `wire`).

    If whoever answers dies, somebody else is asked, and what has been told is not told again.
    Raises NotServed where no serving process is alive, and Busy where too many questions wait.
    """
    told: list[Event] = []
    began, answered = time.monotonic(), False
    try:
        async with _connect() as connection:
            if not await connection.exists(ALIVE):
                raise NotServed("The model is not being served right now. Try again in a minute.")
            for turn in range(MOST_TRIES):
                place = Place(asked)
                try:
                    await place.join(connection, again=turn > 0)
                    async for event in _unheard(told, _read(connection, place.id)):
                        if event["kind"] == "token" and not answered:
                            answered = True
                            FIRST_WORD.observe(time.monotonic() - began)
                        if event["kind"] in {"done", "error"}:
                            ANSWERS.observe(time.monotonic() - began, event["kind"])
                        yield event
                    return
                except _Lost:
                    yield {"kind": "again"}
                finally:
                    with contextlib.suppress(RedisError, OSError):
                        await place.leave(connection)
            ANSWERS.observe(time.monotonic() - began, "error")
            yield _error("Whoever was asked this broke down. Ask otherwise.")
    except Full as full:
        ANSWERS.observe(time.monotonic() - began, "busy")
        if full.own:
            raise Busy("Many questions of yours wait already. Wait for their answers.") from None
        raise Busy("The model is busy with many questions. Try again in a minute.") from None
    except (RedisError, OSError) as error:
        raise NotServed("The line to the model broke. Ask again in a minute.") from error


async def _read(connection: "redis.Redis", question_id: str) -> AsyncIterator[Event]:
    """The events of one try. Raises _Lost."""
    key, last, taker, heard = answer_key(question_id), "0", "", time.monotonic()
    lost = False
    while time.monotonic() - heard < PATIENCE_SECONDS:
        # Shorter than the client's own socket timeout. Who is gone may have said something before.
        streams: Any = await connection.xread({key: last}, block=None if lost else 1000)
        if not streams:
            if lost:
                raise _Lost
            lost = await _is_lost(connection, key, taker)
        for _, entries in streams:
            for entry_id, fields in entries:
                last, heard = entry_id, time.monotonic()
                event: Event = json.loads(fields["event"])
                if event["kind"] == "taken":
                    taker = event["by"]
                elif event["kind"] != "waiting":
                    yield event
                if event["kind"] in {"done", "error"}:
                    return
    yield _error("No answer came in time. Ask again in a minute.")


async def _is_lost(connection: "redis.Redis", key: str, taker: str) -> bool:
    """Whether the question is nowhere any more, or with somebody who says nothing any more."""
    if taker and not await connection.exists(alive_key(taker)):
        return True
    return not await connection.exists(key)


async def _unheard(told: list[Event], events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    """Those events that were not told before; `told` grows. The same question is answered in the
    same way by anybody, unless another release went live in between."""
    at = 0
    async for event in events:
        if at < len(told):
            if event["kind"] != "error" and not _is_same(event, told[at]):
                event = _error("Whoever wrote this answer broke down. Ask again.")
            if event["kind"] != "error":
                at += 1
                continue
        told.append(event)
        at = len(told)
        yield event
        if event["kind"] == "error":
            return


def _is_same(one: Event, other: Event) -> bool:
    return one["kind"] == other["kind"] and one.get("text") == other.get("text")


def _error(message: str) -> Event:
    return {"kind": "error", "message": message, "fault": "server"}


async def _collect(asked: Asked) -> list[Event]:
    return [event async for event in ask(asked)]


def ask_and_wait(asked: Asked) -> list[Event]:
    """The whole answer at once, for pages without JavaScript."""
    return async_to_sync(_collect)(asked)


async def _alive() -> bool:
    async with _connect() as connection:
        return bool(await connection.exists(ALIVE))


def alive() -> bool:
    """Whether a serving process has said lately that it lives."""
    try:
        return async_to_sync(_alive)()
    except (RedisError, OSError):
        return False
