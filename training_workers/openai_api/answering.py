"""From a request to the answers: as many questions as it asks for, answered side by side."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from itertools import product
from typing import Any

from django.http import HttpResponseBase, JsonResponse, StreamingHttpResponse

from training_workers.openai_api.catalogue import Catalogue, Model
from training_workers.openai_api.choice import Choice
from training_workers.openai_api.errors import ApiError, refused
from training_workers.openai_api.request import Wanted
from training_workers.openai_api.shapes import Shape
from training_workers.serving.client import Busy, NotServed, ask
from training_workers.serving.wire import Asked, Event

AT_ONCE = 8
"""Questions of one request that are on their way at a time."""
SPECIAL_TOKENS = 2
"""What a tokenizer may put around a prompt, beside what was counted."""

Said = tuple[Choice, Event]


async def answer(shape: Shape, choices: Sequence[Choice], model: Model) -> HttpResponseBase:
    """The whole answer, or a stream of server-sent events. Raises ApiError up to its first."""
    events = _side_by_side(choices, model)
    if not shape.wanted.stream:
        async with aclosing(events):
            async for choice, event in events:
                choice.take(event)
        return JsonResponse(shape.answer(choices))
    # Until somebody has taken the question, what goes wrong has a status of its own.
    try:
        choice, event = await anext(events)
        choice.take(event)
    except ApiError:
        await events.aclose()
        raise
    return StreamingHttpResponse(
        _stream(shape, choices, list(shape.chunks(choice, event)), events),
        content_type="text/event-stream",
        # A proxy that gathers an answer would hold back its words.
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def choices_of(
    wanted: Wanted, model: Model, here: Catalogue, counted: Sequence[int | None], asker: str
) -> list[Choice]:
    """A question for each answer that is wanted; `counted` are the tokens of each prompt, None
    where they cannot be counted here. Raises ApiError."""
    only, without = here.may_answer(model, wanted)
    rooms = [_room(wanted, here.base.context_length, tokens) for tokens in counted]
    return [
        Choice(
            index,
            Asked(
                prompt,
                max_new_tokens=room,
                temperature=wanted.temperature,
                top_p=wanted.top_p,
                stop=wanted.stop,
                # Several answers to one prompt are drawn apart.
                seed=wanted.seed + at,
                only=only,
                without=without,
                alone=model.alone,
                log_probabilities=wanted.log_probabilities,
                echo=wanted.echo,
                raw=wanted.raw,
                asker=asker,
            ),
        )
        for index, ((prompt, room), at) in enumerate(
            product(zip(wanted.prompts, rooms, strict=True), range(wanted.n))
        )
    ]


def _room(wanted: Wanted, context: int, tokens: int | None) -> int:
    """How many new tokens an answer may have beside its prompt. Raises ApiError for none."""
    if tokens is None:
        return context // 2 if wanted.max_new_tokens is None else wanted.max_new_tokens
    left = context - tokens - (0 if wanted.raw else SPECIAL_TOKENS)
    least = 0 if wanted.max_new_tokens == 0 else 1
    if left < least:
        raise refused(
            "prompt" if wanted.raw else "messages",
            f"This model's context has {context} tokens, and the prompt alone has {tokens}. "
            "Shorten it.",
            "context_length_exceeded",
        )
    return left if wanted.max_new_tokens is None else min(left, wanted.max_new_tokens)


async def _side_by_side(choices: Sequence[Choice], model: Model) -> AsyncGenerator[Said, None]:
    """The events of all questions as they come. Whoever stops listening ends them all."""
    said: asyncio.Queue[Said | asyncio.Task[None]] = asyncio.Queue()
    free = asyncio.Semaphore(AT_ONCE)

    async def follow(choice: Choice) -> None:
        async with free, aclosing(ask(choice.asked)) as events:
            async for event in events:
                _check_release(event, model)
                said.put_nowait((choice, event))

    tasks = [asyncio.create_task(follow(choice)) for choice in choices]
    for task in tasks:
        task.add_done_callback(said.put_nowait)
    try:
        going = len(tasks)
        while going:
            heard = await said.get()
            if isinstance(heard, tuple):
                yield heard
            else:
                going -= 1
                _raise_what_ended(heard)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check_release(event: Event, model: Model) -> None:
    """The rows may be a moment ahead of whoever serves."""
    if event["kind"] == "route" and model.release not in (None, event["release"]):
        raise ApiError(503, f"`{model.id}` is not held at this moment. Try again.", retry_after=2)


def _raise_what_ended(task: "asyncio.Task[None]") -> None:
    try:
        task.result()
    except Busy as busy:
        raise ApiError(503, str(busy), "overloaded", retry_after=busy.retry_after) from busy
    except NotServed as reason:
        raise ApiError(503, str(reason), "not_served", retry_after=30) from reason


async def _stream(
    shape: Shape,
    choices: Sequence[Choice],
    said: Sequence[dict[str, Any]],
    events: AsyncGenerator[Said, None],
) -> AsyncIterator[bytes]:
    """Server-sent events, as https://platform.openai.com/docs/api-reference/chat-streaming: what
    is `said` already, then what comes."""
    for chunk in said:
        yield _line(chunk)
    try:
        async with aclosing(events):
            async for choice, event in events:
                choice.take(event)
                for chunk in shape.chunks(choice, event):
                    yield _line(chunk)
    except ApiError as error:
        # The status is sent already.
        yield _line(error.body())
        return
    if shape.wanted.include_usage:
        yield _line(shape.usage_chunk(choices))
    yield b"data: [DONE]\n\n"


def _line(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
