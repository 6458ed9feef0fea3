"""The serving process: holds the live release hot, batches what is asked, streams the answers."""

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import replace

import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from contributions.models import Base, Expert
from training_workers.engine.adapters import AdapterError
from training_workers.engine.base_facts import BaseError
from training_workers.engine.pool import ExpertPool, OpenBatch
from training_workers.engine.strategies import Strategy, load_strategy
from training_workers.models import Release
from training_workers.runs.preparing import base_in_memory
from training_workers.serving.answering import BASE_ALONE, Answering, CannotBeAsked, Served
from training_workers.serving.line import take, wait_for_one
from training_workers.serving.wire import (
    ALIVE,
    ALIVE_SECONDS,
    ANSWER_SECONDS,
    Asked,
    Event,
    alive_key,
    answer_key,
)

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 16
# Of one asker, so that somebody else's first token does not wait for the end of an answer.
MOST_OF_ONE = MOST_AT_ONCE // 2
# How often the rows are asked which release is live.
LOOK_EVERY_SECONDS = 1.0
# How long what is being answered may take after a stop; then somebody else is asked.
GRACE_SECONDS = 5.0
# Why what the rows say may not be held: the database is away, a file is missing or damaged.
DAMAGED = (AdapterError, BaseError, OSError, ValueError, LookupError, TypeError)
CANNOT_HOLD = (DatabaseError, InterfaceError, *DAMAGED)
# Why a question may fail: no memory, most likely, a prompt that a base cannot take, or a strategy
# that needs somebody who left.
CANNOT_ANSWER = (RuntimeError, ValueError, LookupError)


class ServingProcess:
    """Answers questions until told to stop. Several may run; none is special."""

    def __init__(self, connection: "redis.Redis") -> None:
        self.redis = connection
        self.id = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.served: Served | None = None
        self.stopping = threading.Event()
        self._gone = threading.Event()
        self._trouble = ""
        self._in_hand: dict[str, Answering] = {}
        self._unsent: list[tuple[str, Event]] = []

    def run(self) -> None:
        """Serve. A Redis or database that goes away is waited for."""
        threading.Thread(target=self._say_alive, daemon=True).start()
        looked = stopped = float("-inf")
        try:
            while not self._is_finished(stopped):
                if self.stopping.is_set() and stopped < 0:
                    stopped = time.monotonic()
                if time.monotonic() - looked > LOOK_EVERY_SECONDS:
                    self._look()
                    looked = time.monotonic()
                try:
                    self._go_on()
                except (redis.RedisError, OSError) as error:
                    logger.warning("waiting for Redis: %s", error)
                    self.stopping.wait(1.0)
        finally:
            self._gone.set()
            # Who still waits for this process asks another one.
            with contextlib.suppress(redis.RedisError, OSError):
                self.redis.delete(alive_key(self.id))

    def stop(self) -> None:
        """Take no more questions, and end soon."""
        self.stopping.set()

    def _is_finished(self, stopped: float) -> bool:
        if not self.stopping.is_set():
            return False
        if not self._in_hand and not self._unsent:
            return True
        return stopped > 0 and time.monotonic() - stopped > GRACE_SECONDS

    def _say_alive(self) -> None:
        """From a thread of its own, so that a long pass does not look like a death."""
        while not self._gone.is_set():
            try:
                self.redis.set(alive_key(self.id), "1", ex=ALIVE_SECONDS)
                if self.served is not None and not self.stopping.is_set():
                    self.redis.set(ALIVE, "1", ex=ALIVE_SECONDS)
            except (redis.RedisError, OSError) as error:
                logger.warning("waiting for Redis: %s", error)
            self._gone.wait(ALIVE_SECONDS / 4)

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

        Questions in hand are answered by what was held when they were taken; who was withdrawn
        goes with the last of them. Raises one of CANNOT_HOLD; what was held before then goes on
        to be held.
        """
        release = Release.objects.live().select_related("base").first()
        base = release.base if release else Base.objects.filter(active=True).first()
        if base is None:
            return
        self._let_leavers_go()
        members = list(release.members.select_related("expert__owner")) if release else []
        experts = {
            str(member.expert_id): member.expert
            for member in members
            if member.expert.status == Expert.Status.ELIGIBLE
        }
        reduced = len(experts) < len(members)
        number = release.number if release else None
        served = self.served
        if served is None or base.sha256 != served.base_sha256:
            pool = ExpertPool(base_in_memory(base))
            served = Served(base.sha256, pool, OpenBatch(pool))
        for name in experts.keys() - served.pool.names:
            served.pool.add(name, experts[name].adapter_path)
        if served is not self.served or (number, reduced) != (served.release, served.reduced):
            strategy = _strategy_of(release, reduced) if release else BASE_ALONE
            # What a router makes of its examples is made now, not while somebody waits.
            strategy.routes(["hello"], frozenset(experts), served.pool)
            served = replace(served, strategy=strategy, release=number, reduced=reduced)
            logger.info("serving %s", release or base)
        self.served = replace(served, experts=experts)
        self._forget_leavers()

    def _let_leavers_go(self) -> None:
        """Whoever left is asked no more, even where the rest of what is live cannot be held."""
        if self.served is None:
            return
        here = Expert.objects.filter(pk__in=self.served.experts, status=Expert.Status.ELIGIBLE)
        names = set(map(str, here.values_list("pk", flat=True)))
        if names < self.served.experts.keys():
            experts = {name: one for name, one in self.served.experts.items() if name in names}
            self.served = replace(self.served, experts=experts)

    def _forget_leavers(self) -> None:
        """Take the weights of those out of memory whom no answer needs any more."""
        if self.served is None:
            return
        pool = self.served.pool
        needed = set(self.served.experts)
        for one in self._in_hand.values():
            if one.served.pool is pool:
                needed |= one.allowed
        for name in pool.names - needed:
            pool.remove(name)

    def _go_on(self) -> None:
        """Take what may be taken, and extend all answers by a token."""
        self._send()
        if self.served is None:
            self.stopping.wait(LOOK_EVERY_SECONDS)
            return
        if not self.stopping.is_set():
            self._take(self.served)
        if self._in_hand:
            self._send()
            self._step()
        elif not self.stopping.is_set():
            wait_for_one(self.redis, LOOK_EVERY_SECONDS)

    def _take(self, served: Served) -> None:
        room = MOST_AT_ONCE - len(self._in_hand)
        if room <= 0:
            return
        counts = Counter(one.asked.asker for one in self._in_hand.values() if one.asked.asker)
        taken = take(self.redis, self.id, most=room, most_of_one=MOST_OF_ONE, in_hand=counts)
        for question_id, asked in taken:
            self._begin(served, question_id, asked)

    def _begin(self, served: Served, question_id: str, asked: Asked) -> None:
        try:
            one = Answering(question_id, asked, served)
        except CannotBeAsked as reason:
            self._fail(question_id, str(reason), "asker")
        except CANNOT_ANSWER:
            logger.exception("a question could not be answered")
            self._fail(question_id)
        else:
            self._in_hand[question_id] = one
            self._unsent.append((question_id, one.route_event()))

    def _fail(
        self,
        question_id: str,
        message: str = "The model could not answer this. Ask otherwise.",
        fault: str = "server",
    ) -> None:
        """Say so: whoever asked does not wait in vain."""
        self._unsent.append((question_id, {"kind": "error", "message": message, "fault": fault}))
        self._drop(question_id)

    def _drop(self, question_id: str) -> None:
        one = self._in_hand.pop(question_id, None)
        if one is not None:
            one.stop()
            self._forget_leavers()

    def _step(self) -> None:
        failed = False
        for batch in {
            id(one.served.batch): one.served.batch for one in self._in_hand.values()
        }.values():
            try:
                batch.step()
            except CANNOT_ANSWER:
                logger.exception("a batch could not be gone on with")
                failed = True
        for question_id, one in list(self._in_hand.items()):
            if failed and one.is_lost:
                self._fail(question_id)
                continue
            try:
                events = one.go_on()
            except CANNOT_ANSWER:
                logger.exception("a question could not be answered")
                self._fail(question_id)
                continue
            self._unsent += [(question_id, event) for event in events]
            if one.over:
                self._drop(question_id)

    def _send(self) -> None:
        """Tell what is new. An asker who has left has deleted the answer: then it ends here."""
        if not self._unsent:
            return
        with self.redis.pipeline(transaction=False) as pipeline:
            for question_id, event in self._unsent:
                key = answer_key(question_id)
                pipeline.xadd(key, {"event": json.dumps(event)}, nomkstream=True)
            for question_id in {question_id for question_id, _ in self._unsent}:
                pipeline.expire(answer_key(question_id), ANSWER_SECONDS)
            written = pipeline.execute()
        unsent, self._unsent = self._unsent, []
        for (question_id, _), entry in zip(unsent, written[: len(unsent)], strict=True):
            if entry is None:
                self._drop(question_id)


def _strategy_of(release: Release, reduced: bool) -> Strategy:
    """How a release answers. A merge was tuned and measured as a whole: without one of its experts
    its fallback answers, until it is rebuilt."""
    strategy = load_strategy(release.strategy_path)
    if not reduced or strategy.level != "weight":
        return strategy
    # Releases from before fallbacks were saved have none.
    return load_strategy(release.fallback_path) if release.fallback_path.exists() else BASE_ALONE


def connect() -> "redis.Redis":
    """A client that answers in text. Its socket timeout is above what it lets Redis block."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=5
    )
    return client
