"""Asking the serving process. For the web process: no torch."""

import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from redis import asyncio as redis
from redis.exceptions import RedisError

from mosaic_site.monitoring.measures import ANSWERS, FIRST_WORD
from training_workers.serving.wire import (
    ALIVE,
    ANSWER_SECONDS,
    LOST_SECONDS,
    MOST_WAITING,
    PATIENCE_SECONDS,
    QUESTIONS,
    Event,
    answer_key,
)


class NotServed(Exception):
    """Nobody answers now. The message says why, in words for the person who asked."""


def _connect() -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(settings.REDIS_URL, decode_responses=True)
    return client


async def ask(
    prompt: str, *, max_new_tokens: int = 64, only: Sequence[int] = ()
) -> AsyncIterator[Event]:
    """Yield the answer's events as they come (see `wire`). `only`: the experts to choose among.

    Raises NotServed where no serving process is alive or too many questions wait.
    """
    question_id = uuid.uuid4().hex
    question = {
        "id": question_id,
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
        "only": list(only),
        "asked_at": time.time(),
    }
    began, answered = time.monotonic(), False
    try:
        async with _connect() as connection:
            if not await connection.exists(ALIVE):
                raise NotServed("The model is not being served right now. Try again in a minute.")
            if await connection.llen(QUESTIONS) >= MOST_WAITING:
                ANSWERS.observe(time.monotonic() - began, "busy")
                raise NotServed("The model is busy with many questions. Try again in a minute.")
            async for event in _read(connection, question_id, json.dumps(question)):
                if event["kind"] == "token" and not answered:
                    answered = True
                    FIRST_WORD.observe(time.monotonic() - began)
                if event["kind"] in {"done", "error"}:
                    ANSWERS.observe(time.monotonic() - began, event["kind"])
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
    yield {"kind": "error", "message": "No answer came in time. Ask again in a minute."}


async def _collect(prompt: str, max_new_tokens: int, only: Sequence[int]) -> list[Event]:
    return [event async for event in ask(prompt, max_new_tokens=max_new_tokens, only=only)]


def ask_and_wait(prompt: str, *, max_new_tokens: int = 64, only: Sequence[int] = ()) -> list[Event]:
    """The whole answer at once, for pages without JavaScript."""
    return async_to_sync(_collect)(prompt, max_new_tokens, only)


async def _alive() -> bool:
    async with _connect() as connection:
        return bool(await connection.exists(ALIVE))


def alive() -> bool:
    """Whether a serving process has said lately that it lives."""
    try:
        return async_to_sync(_alive)()
    except (RedisError, OSError):
        return False
