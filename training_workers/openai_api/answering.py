"""From a request to the answers: as many questions as it asks for, answered side by side."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from itertools import product

from django.http import HttpResponseBase, JsonResponse, StreamingHttpResponse

from training_workers.openai_api.catalogue import Catalogue, Model
from training_workers.openai_api.choice import Choice
from training_workers.openai_api.errors import ApiError, refused
from training_workers.openai_api.request import Prompt, Wanted
from training_workers.openai_api.shapes import Shape
from training_workers.serving.client import Busy, NotServed, ask
from training_workers.serving.wire import MOST_NEW_TOKENS, Asked, Event

AT_ONCE = 8
"""Questions of one request that are on their way at a time."""

Said = tuple[Choice, Event]


async def answer(shape: Shape, choices: Sequence[Choice], model: Model) -> HttpResponseBase:
    """The whole answer, or a stream of server-sent events. Raises ApiError until its first event."""
    if not shape.wanted.stream:
        async for choice, event in _side_by_side(choices, model):
            choice.take(event)
        return JsonResponse(shape.answer(choices))
    events = _side_by_side(choices, model)
    first = await anext(events)
    return StreamingHttpResponse(
        _stream(shape, choices, first, events),
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
