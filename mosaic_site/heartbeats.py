"""Signs of life of what has no rows: beat and the Celery workers.

They are in Redis, where they go out by themselves. What is said there is only shown, never acted
upon: jobs have heartbeats of their own in their rows.
"""

import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis
from celery.beat import PersistentScheduler
from celery.signals import heartbeat_sent
from celery.worker import state
from django.conf import settings

BEAT, WORKER = "beat", "worker"
LASTS_SECONDS = 15
"""So long after its last sign of life something counts as alive; it says one every 2 s."""


@dataclass(frozen=True)
class Sign:
    """`name` is the host with the worker's or process's name, `at` seconds since the epoch."""

    name: str
    at: float
    facts: Mapping[str, Any]

    @property
    def seconds_ago(self) -> float:
        return max(0.0, time.time() - self.at)


def say(kind: str, name: str, **facts: Any) -> None:
    """Say that one of `kind` is alive. Where Redis is away nobody hears it, and nothing happens."""
    try:
        with _connect() as connection:
            text = json.dumps({"at": time.time(), **facts})
            connection.set(_key(kind, name), text, ex=LASTS_SECONDS)
    except (redis.RedisError, OSError):
        return


def heard(kind: str) -> list[Sign]:
    """Who of `kind` is alive, by name. Raises RedisError or OSError."""
    with _connect() as connection:
        keys = sorted(connection.scan_iter(_key(kind, "*")))
        texts = connection.mget(keys) if keys else []
    signs = []
    for key, text in zip(keys, texts, strict=True):
        if text is not None:
            facts = json.loads(text)
            signs.append(Sign(key.removeprefix(_key(kind, "")), facts.pop("at"), facts))
    return signs


def _key(kind: str, name: str) -> str:
    return f"mosaic:alive:{kind}:{name}"


def _connect() -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2
    )
    return client


class Scheduler(PersistentScheduler):
    """Beat's scheduler, which says at every tick that it ticks."""

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        say(BEAT, f"{socket.gethostname()}:{os.getpid()}")
        return super().tick(*args, **kwargs)


@heartbeat_sent.connect
def _worker_lives(sender: Any, **_: Any) -> None:
    """Celery calls this every 2 s, from the parent process: a long task holds nothing up."""
    # A broadcast goes to a queue of each worker's own, whose alias is what all call it.
    listened_to = sender.eventer.app.amqp.queues.consume_from.values()
    queues = sorted(queue.alias or queue.name for queue in listened_to)
    tasks = sorted(request.name for request in list(state.active_requests))
    say(WORKER, sender.eventer.hostname, queues=queues, tasks=tasks)
