"""The serving process: holds the live release hot, batches what waits, streams the answers."""

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from contributions.models import Base, Expert
from training_workers.engine.adapters import AdapterError
from training_workers.engine.base_facts import BaseError
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.routing import Route, Strategy, load_strategy
from training_workers.models import Release
from training_workers.runs.preparing import base_in_memory
from training_workers.serving.wire import (
    ALIVE,
    ALIVE_SECONDS,
    ANSWER_SECONDS,
    PATIENCE_SECONDS,
    QUESTIONS,
    Event,
    answer_key,
)

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 16
# A question's tokens are cut to this, whatever the asker wants.
MOST_NEW_TOKENS = 256
# How often the rows are asked which release is live.
LOOK_EVERY_SECONDS = 1.0
# Why what the rows say may not be held: the database is away, a file is missing or damaged.
CANNOT_HOLD = (DatabaseError, InterfaceError, AdapterError, BaseError, OSError, ValueError)


@dataclass
class Served:
    """What is in memory now: a base, the release's experts on it, and the way to choose."""

    base_sha256: str
    pool: ExpertPool
    release: int | None = None
    strategy: Strategy | None = None
    experts: dict[str, Expert] = field(default_factory=dict)


class ServingProcess:
    """Answers questions until told to stop. Several may run; none is special."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = connection
        self.served: Served | None = None
        self.stopping = threading.Event()
        self._trouble = ""

    def run(self) -> None:
        """Serve. A Redis or database that goes away is waited for."""
        threading.Thread(target=self._say_alive, daemon=True).start()
        looked = float("-inf")
        while not self.stopping.is_set():
            if time.monotonic() - looked > LOOK_EVERY_SECONDS:
                self._look()
                looked = time.monotonic()
            if self.served is None:
                self.stopping.wait(LOOK_EVERY_SECONDS)
                continue
            try:
                questions = self._take()
                if questions:
                    self._answer(self.served, questions)
            except (redis.RedisError, OSError) as error:
                logger.warning("waiting for Redis: %s", error)
                self.stopping.wait(1.0)

    def stop(self) -> None:
        self.stopping.set()

    def _say_alive(self) -> None:
        """From a thread of its own, so that a long answer does not look like a death."""
        while not self.stopping.is_set():
            try:
                if self.served is not None:
                    self.redis.set(ALIVE, "1", ex=ALIVE_SECONDS)
            except (redis.RedisError, OSError) as error:
                logger.warning("waiting for Redis: %s", error)
            self.stopping.wait(ALIVE_SECONDS / 4)

    def _look(self) -> None:
        """Hold what the rows say; where that cannot be, go on with what is held."""
        try:
            close_old_connections()
            self.look_at_rows()
        except CANNOT_HOLD as error:
            if str(error) != self._trouble:
                logger.warning("what is live cannot be held, trying again: %s", error)
            self._trouble = str(error)
        else:
            self._trouble = ""

    def look_at_rows(self) -> None:
        """Hold what the rows say: the live release without withdrawn experts, or the base alone.

        Raises one of CANNOT_HOLD; what was held before then goes on to be held.
        """
        release = Release.objects.live().select_related("base").first()
        base = release.base if release else Base.objects.filter(active=True).first()
        if base is None:
            return
        served = self.served
        if served is not None:
            # Whoever left is out at once, even where the rest cannot be held.
            left = Expert.objects.filter(pk__in=served.experts).exclude(
                status=Expert.Status.ELIGIBLE
            )
            for expert_id in left.values_list("pk", flat=True):
                del served.experts[str(expert_id)]
        if served is None or base.sha256 != served.base_sha256:
            served = Served(base.sha256, ExpertPool(base_in_memory(base)))
        experts = {}
        if release is not None:
            for member in release.members.select_related("expert", "expert__owner"):
                if member.expert.status == Expert.Status.ELIGIBLE:
                    experts[str(member.expert_id)] = member.expert
        for name in experts.keys() - served.pool.names:
            served.pool.add(name, experts[name].adapter_path)
        number = release.number if release else None
        if served is not self.served or number != served.release:
            served.strategy = load_strategy(release.strategy_path) if release else None
            served.release = number
            logger.info("serving %s", release or base)
        served.experts = experts
        for name in served.pool.names - experts.keys():
            served.pool.remove(name)
        self.served = served

    def _take(self) -> list[dict[str, Any]]:
        """What waits, at most MOST_AT_ONCE; waits a little for the first."""
        first = self.redis.blpop([QUESTIONS], timeout=1)
        if not first:
            return []
        rest = self.redis.lpop(QUESTIONS, MOST_AT_ONCE - 1) or []
        questions = [json.loads(text) for text in (first[1], *rest)]
        # Whoever asked that long ago has given up.
        oldest = time.time() - PATIENCE_SECONDS
        return [question for question in questions if question["asked_at"] > oldest]

    def _send(self, events: Sequence[tuple[str, Event]]) -> None:
        with self.redis.pipeline(transaction=False) as pipeline:
            for question_id, event in events:
                pipeline.xadd(answer_key(question_id), {"event": json.dumps(event)})
                pipeline.expire(answer_key(question_id), ANSWER_SECONDS)
            pipeline.execute()

    def _route(self, served: Served, question: dict[str, Any]) -> Route | None:
        """None where no release is live, so that the base alone can answer."""
        if served.strategy is None:
            return None
        allowed = frozenset(served.experts)
        if question["only"]:
            allowed &= {str(expert_id) for expert_id in question["only"]}
        return served.strategy.route(question["prompt"], allowed)

    def _route_event(self, served: Served, route: Route | None) -> Event:
        if route is None:
            reason = "No release is live yet, so the base answers alone."
            return {
                "kind": "route",
                "release": None,
                "expert": None,
                "confidence": 1.0,
                "reason": reason,
                "neighbours": [],
            }
        expert = served.experts.get(route.expert) if route.expert else None
        return {
            "kind": "route",
            "release": served.release,
            "expert": expert
            and {
                "id": expert.pk,
                "name": expert.name,
                "owner": expert.owner.display_name,
                "owner_id": expert.owner_id,
            },
            "confidence": route.confidence,
            "reason": route.reason,
            "neighbours": [
                {
                    "prompt": neighbour.prompt,
                    "similarity": neighbour.similarity,
                    "right": [
                        served.experts[name].name
                        for name in neighbour.solved_by
                        if name in served.experts
                    ],
                }
                for neighbour in route.neighbours
            ],
        }

    def _answer(self, served: Served, questions: list[dict[str, Any]]) -> None:
        """Answer a batch, or say that it cannot be: whoever asked does not wait in vain."""
        try:
            self._stream(served, questions)
        except (RuntimeError, ValueError):
            # No memory, most likely, or a prompt that a base cannot take.
            logger.exception("%d questions could not be answered", len(questions))
            event = {"kind": "error", "message": "The model could not answer this. Ask otherwise."}
            self._send([(question["id"], event) for question in questions])

    def _stream(self, served: Served, questions: list[dict[str, Any]]) -> None:
        """Route and answer a batch: one forward pass a token for all its rows."""
        began = time.monotonic()
        ids = [question["id"] for question in questions]
        routes = [self._route(served, question) for question in questions]
        self._send(
            [
                (id_, self._route_event(served, route))
                for id_, route in zip(ids, routes, strict=True)
            ]
        )
        prompts = [
            Prompt(question["prompt"], route.expert if route else None)
            for question, route in zip(questions, routes, strict=True)
        ]
        limit = min(MOST_NEW_TOKENS, max(question["max_new_tokens"] for question in questions))
        counts = [0] * len(ids)
        finished: set[int] = set()
        for pieces in served.pool.stream(prompts, Sampling(max_new_tokens=limit)):
            events: list[tuple[str, Event]] = []
            for row, piece in enumerate(pieces):
                if row in finished:
                    continue
                if piece is None:
                    finished.add(row)
                    seconds = time.monotonic() - began
                    done = {"kind": "done", "tokens": counts[row], "seconds": seconds}
                    events.append((ids[row], done))
                    continue
                counts[row] += 1
                if piece:
                    events.append((ids[row], {"kind": "token", "text": piece}))
            self._send(events)
        seconds = time.monotonic() - began
        self._send(
            [
                (ids[row], {"kind": "done", "tokens": counts[row], "seconds": seconds})
                for row in range(len(ids))
                if row not in finished
            ]
        )


def connect() -> "redis.Redis":
    """A client that answers in text. Its socket timeout is above what `_take` lets Redis block."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=5
    )
    return client
