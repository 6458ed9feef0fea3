"""The serving process: holds the live release hot, batches what waits, streams the answers."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from contributions.models import Base, Expert
from training_workers.engine.adapters import AdapterError
from training_workers.engine.base_facts import BaseError
from training_workers.engine.pool import BASE, ExpertPool, Sampling
from training_workers.engine.routing import Route
from training_workers.engine.strategies import Answer, Strategy, load_strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.models import Release
from training_workers.runs.preparing import base_in_memory
from training_workers.serving.wire import (
    ALIVE,
    ALIVE_SECONDS,
    ANSWER_SECONDS,
    PATIENCE_SECONDS,
    QUESTIONS,
    Asked,
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
DAMAGED = (AdapterError, BaseError, OSError, ValueError, LookupError, TypeError)
CANNOT_HOLD = (DatabaseError, InterfaceError, *DAMAGED)
# Why a batch may fail: no memory, most likely, a prompt that a base cannot take, or a strategy
# that needs somebody who left.
CANNOT_ANSWER = (RuntimeError, ValueError, LookupError)
BASE_ALONE = BestSingle({BASE: 1.0})


@dataclass
class Served:
    """What is in memory now: a base, the release's experts on it, and the way they answer."""

    base_sha256: str
    pool: ExpertPool
    release: int | None = None
    # Whether somebody who was in the release has left it: then a merge is taken down.
    reduced: bool = False
    strategy: Strategy = BASE_ALONE
    experts: dict[str, Expert] = field(default_factory=dict)

    def allowed(self, asked: Asked) -> frozenset[str]:
        """Who may answer: all who are here, or those of them that were asked for."""
        here = frozenset(self.experts) - set(map(str, asked.without))
        return here & set(map(str, asked.only)) if asked.only else here


@dataclass(frozen=True)
class Batch:
    """Questions that the same experts may answer."""

    allowed: frozenset[str]
    questions: dict[str, Asked]

    @property
    def ids(self) -> list[str]:
        return list(self.questions)

    @property
    def prompts(self) -> list[str]:
        return [str(asked.prompt) for asked in self.questions.values()]

    @property
    def sampling(self) -> Sampling:
        longest = max(asked.max_new_tokens for asked in self.questions.values())
        return Sampling(max_new_tokens=min(MOST_NEW_TOKENS, longest))


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
        members = list(release.members.select_related("expert__owner")) if release else []
        experts = {
            str(member.expert_id): member.expert
            for member in members
            if member.expert.status == Expert.Status.ELIGIBLE
        }
        reduced = len(experts) < len(members)
        for name in experts.keys() - served.pool.names:
            served.pool.add(name, experts[name].adapter_path)
        number = release.number if release else None
        if served is not self.served or (number, reduced) != (served.release, served.reduced):
            strategy = _strategy_of(release, reduced) if release else BASE_ALONE
            # What a router makes of its examples is made now, not while somebody waits.
            strategy.routes(["hello"], frozenset(experts), served.pool)
            served.strategy, served.release, served.reduced = strategy, number, reduced
            logger.info("serving %s", release or base)
        served.experts = experts
        for name in served.pool.names - experts.keys():
            served.pool.remove(name)
        self.served = served

    def _take(self) -> dict[str, Asked]:
        """What waits, at most MOST_AT_ONCE; waits a little for the first."""
        first = self.redis.blpop([QUESTIONS], timeout=1)
        if not first:
            return {}
        rest = self.redis.lpop(QUESTIONS, MOST_AT_ONCE - 1) or []
        questions = [json.loads(text) for text in (first[1], *rest)]
        # Whoever asked that long ago has given up.
        oldest = time.time() - PATIENCE_SECONDS
        return {
            question["id"]: Asked.of_json(question["asked"])
            for question in questions
            if question["asked_at"] > oldest
        }

    def _send(self, events: Sequence[tuple[str, Event]]) -> None:
        with self.redis.pipeline(transaction=False) as pipeline:
            for question_id, event in events:
                pipeline.xadd(answer_key(question_id), {"event": json.dumps(event)})
                pipeline.expire(answer_key(question_id), ANSWER_SECONDS)
            pipeline.execute()

    def _answer(self, served: Served, questions: Mapping[str, Asked]) -> None:
        """Answer what waited. Everybody hears first whom the question goes to, so that nobody
        takes it for lost."""
        groups: dict[frozenset[str], dict[str, Asked]] = {}
        for id_, asked in questions.items():
            groups.setdefault(served.allowed(asked), {})[id_] = asked
        batches = [Batch(*group) for group in groups.items()]
        routed = [batch for batch in batches if self._tried(self._route, served, batch)]
        for batch in routed:
            self._tried(self._stream, served, batch)

    def _tried(self, step: Callable[[Served, Batch], None], served: Served, batch: Batch) -> bool:
        """Whether it could be done; if not, it is said: whoever asked does not wait in vain."""
        try:
            step(served, batch)
        except CANNOT_ANSWER:
            logger.exception("%d questions could not be answered", len(batch.questions))
            message = "The model could not answer this. Ask otherwise."
            event = {"kind": "error", "message": message, "fault": "server"}
            self._send([(id_, event) for id_ in batch.ids])
            return False
        return True

    def _route(self, served: Served, batch: Batch) -> None:
        routes = served.strategy.routes(batch.prompts, batch.allowed, served.pool)
        events = [_route_event(served, batch, route) for route in routes]
        self._send(list(zip(batch.ids, events, strict=True)))

    def _stream(self, served: Served, batch: Batch) -> None:
        """Answer a batch, and send what is new after every step."""
        began = time.monotonic()
        strategy = served.strategy
        told = [0] * len(batch.ids)
        open_ = set(range(len(batch.ids)))
        for answers in strategy.stream(served.pool, batch.prompts, batch.sampling, batch.allowed):
            events: list[tuple[str, Event]] = []
            all_over = all(answer.over for answer in answers)
            for row, (id_, answer) in enumerate(zip(batch.ids, answers, strict=True)):
                for piece in answer.pieces[told[row] :]:
                    token: Event = {"kind": "token", "text": piece.text}
                    if strategy.level == "logit" and len(piece.shares) > 1:
                        token["shares"] = dict(piece.shares)
                    events.append((id_, token))
                told[row] = len(answer.pieces)
                # Whom a merge owes an answer to is worked out when its whole batch is over.
                if row in open_ and answer.over and (all_over or strategy.level != "weight"):
                    open_.remove(row)
                    if answer.settle is not None:
                        answer.settle()
                    events.append((id_, _done_event(served, answer, time.monotonic() - began)))
            self._send(events)


def _strategy_of(release: Release, reduced: bool) -> Strategy:
    """How a release answers. A merge was tuned and measured as a whole: without one of its experts
    its fallback answers, until it is rebuilt."""
    strategy = load_strategy(release.strategy_path)
    if not reduced or strategy.level != "weight":
        return strategy
    # Releases from before fallbacks were saved have none.
    return load_strategy(release.fallback_path) if release.fallback_path.exists() else BASE_ALONE


def _card(served: Served, model: str | None) -> dict[str, Any] | None:
    """What a page says of a model; None for the base."""
    if not model:
        return None
    expert = served.experts[model]
    return {
        "id": expert.pk,
        "name": expert.name,
        "owner": expert.owner.display_name,
        "owner_id": expert.owner_id,
    }


def _route_event(served: Served, batch: Batch, route: Route) -> Event:
    strategy = served.strategy if served.release is not None else None
    together = strategy is not None and strategy.level == "logit"
    return {
        "kind": "route",
        "release": served.release,
        "strategy": strategy.name if strategy else None,
        "level": strategy.level if strategy else None,
        "expert": _card(served, route.expert),
        "experts": [_card(served, name) for name in sorted(batch.allowed)] if together else [],
        "confidence": route.confidence,
        "reason": route.reason
        if strategy
        else "No release is live yet, so the base answers alone.",
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


def _done_event(served: Served, answer: Answer, seconds: float) -> Event:
    tokenizer = served.pool.base.tokenizer
    owed = sorted(answer.credit.items(), key=lambda item: -item[1])
    return {
        "kind": "done",
        "tokens": len(tokenizer(answer.text, add_special_tokens=False)["input_ids"]),
        "seconds": seconds,
        "credit": [
            {"expert": _card(served, model), "share": share} for model, share in owed if share > 0
        ],
        "steps": [
            {
                "expert": _card(served, step.model),
                "asked": step.asked,
                "answered": step.answered,
            }
            for step in answer.steps
        ],
        "generations": answer.generations,
    }


def connect() -> "redis.Redis":
    """A client that answers in text. Its socket timeout is above what `_take` lets Redis block."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=5
    )
    return client
