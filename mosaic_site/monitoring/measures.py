"""Counters and histograms that all processes of all machines share.

They are in Redis, so that whichever web process is asked for `/metrics` answers for all of them.
Observations gather in the process and are sent now and then; what a process that is killed had not
sent is lost, and what Redis loses begins anew at 0, which Prometheus takes for a restart.
"""

import json
import logging
import threading
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import redis
from django.conf import settings
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

logger = logging.getLogger(__name__)

KEY = "mosaic:measures"
SEND_EVERY_SECONDS = 2.0
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of buckets, for what takes from milliseconds to a minute."""

_SUM = "sum"
_pending: "Tally[str]" = Tally()
_lock = threading.Lock()


@dataclass(frozen=True)
class Counter:
    """How often something happened, by its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()

    def count(self, *values: str) -> None:
        _add(self.name, values, "", 1)

    def family(self, stored: "Stored") -> Metric:
        family = CounterMetricFamily(self.name, self.help, labels=self.labels)
        for values, parts in stored.get(self.name, {}).items():
            family.add_metric(values, parts.get("", 0.0))
        return family


@dataclass(frozen=True)
class Histogram:
    """How long something took, in seconds, by its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    bounds: Sequence[float] = SECONDS

    def observe(self, seconds: float, *values: str) -> None:
        _add(self.name, values, str(bisect_left(self.bounds, seconds)), 1)
        _add(self.name, values, _SUM, seconds)

    def family(self, stored: "Stored") -> Metric:
        family = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for values, parts in stored.get(self.name, {}).items():
            counts = [parts.get(str(place), 0.0) for place in range(len(self.bounds) + 1)]
            family.add_metric(values, cumulated(self.bounds, counts), parts.get(_SUM, 0.0))
        return family


Stored = dict[str, dict[tuple[str, ...], dict[str, float]]]
"""Name, labels and part: a bucket's place, "sum", or "" for a counter."""


def cumulated(bounds: Sequence[float], counts: Sequence[float]) -> list[tuple[str, float]]:
    """Prometheus' buckets, each with all that is at most its bound; `counts` has one more."""
    total, buckets = 0.0, []
    for bound, count in zip((*bounds, inf), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == inf else str(float(bound)), total))
    return buckets


def _add(name: str, labels: tuple[str, ...], part: str, amount: float) -> None:
    with _lock:
        _pending[json.dumps([name, labels, part])] += amount  # type: ignore[assignment]


def send() -> None:
    """Add what has gathered to what Redis has. Where it is away, that is kept for the next time."""
    with _lock:
        gathered = dict(_pending)
        _pending.clear()
    if not gathered:
        return
    try:
        with connect() as connection, connection.pipeline(transaction=True) as pipeline:
            for field, amount in gathered.items():
                pipeline.hincrbyfloat(KEY, field, amount)
            pipeline.execute()
    except (redis.RedisError, OSError) as error:
        logger.debug("measures are kept for later: %s", error)
        with _lock:
            _pending.update(gathered)


class Sender:
    """Sends from a thread of its own, so that nobody who is measured waits for Redis."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Harmless where it runs."""
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="measures", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while not pause.wait(SEND_EVERY_SECONDS):
            send()


SENDER = Sender()


def stored() -> Stored:
    """All that was measured. Raises RedisError or OSError."""
    with connect() as connection:
        found: dict[str, str] = connection.hgetall(KEY)
    result: Stored = {}
    for field, amount in _read(found):
        name, labels, part = field
        result.setdefault(name, {}).setdefault(tuple(labels), {})[part] = amount
    return result


def _read(found: dict[str, str]) -> Iterator[tuple[list[str], float]]:
    for field, amount in sorted(found.items()):
        yield json.loads(field), float(amount)


def connect() -> "redis.Redis":
    """A client that gives up soon: what is measured must never hold up what is done."""
    client: redis.Redis = redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2
    )
    return client


REQUESTS = Histogram(
    "mosaic_http_request_duration_seconds",
    "Time from a request's arrival to its response, by the name of the address.",
    ("address", "method", "status"),
)
TASKS = Histogram(
    "mosaic_task_duration_seconds",
    "Time that a worker took for a task.",
    ("task",),
    (*SECONDS, 300.0, 1800.0, 7200.0),
)
TASK_FAILURES = Counter(
    "mosaic_task_failures", "Tasks that ended in an exception.", ("task", "exception")
)
FIRST_WORD = Histogram(
    "mosaic_serving_first_token_seconds",
    "Time from a question to the first token of its answer, waiting included.",
)
ANSWERS = Histogram(
    "mosaic_serving_answer_seconds",
    "Time from a question to the end of its answer; `outcome` is done, error or busy.",
    ("outcome",),
)
ALL = (REQUESTS, TASKS, TASK_FAILURES, FIRST_WORD, ANSWERS)
