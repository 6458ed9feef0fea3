"""Asking the serving process. For the web process: no torch."""

import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

from training_workers.serving.wire import (
    ALIVE,
    ANSWER_SECONDS,
    LOST_SECONDS,
    MOST_WAITING,
    PATIENCE_SECONDS,
    QUESTIONS,
    RETRY_SECONDS,
    Asked,
    Event,
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


async def ask(asked: Asked) -> AsyncIterator[Event]:
    """Yield the answer's events as they come (see `wire`).

    Raises NotServed where no serving process is alive, and Busy where too many questions wait.
    """
    question_id = uuid.uuid4().hex
    question = {"id": question_id, "asked_at": time.time(), "asked": asked.to_json()}
    try:
        async with _connect() as connection:
            if not await connection.exists(ALIVE):
                raise NotServed("The model is not being served right now. Try again in a minute.")
            if await connection.llen(QUESTIONS) >= MOST_WAITING:
                raise Busy("The model is busy with many questions. Try again in a minute.")
            async for event in _read(connection, question_id, json.dumps(question)):
                yield event
    except (RedisError, OSError) as error:
        raise NotServed("The line to the model broke. Ask again in a minute.") from error


async def _read(connection: "redis.Redis", question_id: str, question: str) -> AsyncIterator[Event]:
    key, last, heard = answer_key(question_id), "0", time.monotonic()
    handed_over = float("-inf")
    while (now := time.monotonic()) - heard < PATIENCE_SECONDS:
        if last == "0" and now - handed_over >= LOST_SECONDS:
            # At first, and again where whoever took it died before the first word.
            if await connection.lpos(QUESTIONS, question) is None:
                await connection.rpush(QUESTIONS, question)
            handed_over = now
        # Shorter than the client's own socket timeout.
        streams: Any = await connection.xread({key: last}, block=1000) or []
        for _, entries in streams:
            for entry_id, fields in entries:
                last = entry_id
                heard = time.monotonic()
                event: Event = json.loads(fields["event"])
                yield event
                if event["kind"] in {"done", "error"}:
                    await connection.expire(key, ANSWER_SECONDS)
                    return
    message = "No answer came in time. Ask again in a minute."
    yield {"kind": "error", "message": message, "fault": "server"}


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
