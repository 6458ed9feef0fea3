"""What Prometheus is told: of the rows, of what is in Redis, and of what was measured.

Everything is read when it is asked for, so that any web process says the same.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import redis
from django.db.models import Count, F, Min, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from contributions.models import DatasetVersion, Expert
from governance.models import BoxHead
from mosaic_site import heartbeats
from mosaic_site.health.broker import queues
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.monitoring import measures
from training_workers.models import Job
from training_workers.scheduling import Queue
from training_workers.serving.wire import ALIVE, QUESTIONS

logger = logging.getLogger(__name__)

JOB_BOUNDS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0)


class _Site(Collector):
    """Reads the site anew at every scrape."""

    def collect(self) -> Iterator[Metric]:
        yield from _of_rows()
        try:
            yield from _of_redis()
            redis_is_up = 1.0
        except (redis.RedisError, OSError) as error:
            logger.warning("no metrics from Redis: %s", error)
            redis_is_up = 0.0
        yield _gauge("mosaic_redis_up", "Whether Redis answers.", [((), redis_is_up)])


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Site())
    return generate_latest(registry)


Samples = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, help_: str, samples: Samples, *labels: str) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _total(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(name, help_, value=value)


def _of_rows() -> Iterator[Metric]:
    queue, now = Queue(), timezone.now()
    checks = DatasetVersion.objects.in_queue_order().aggregate(
        number=Count("pk"), oldest=Min("received_at")
    )
    depths = {"gpu": len(queue.ready), "checks": checks["number"]}
    oldest = {"gpu": queue.oldest, "checks": checks["oldest"]}
    yield _gauge(
        "mosaic_queue_depth",
        "What waits for a worker, by the rows: jobs (gpu) and uploads (checks).",
        [((name,), float(depth)) for name, depth in depths.items()],
        "queue",
    )
    yield _gauge(
        "mosaic_queue_oldest_seconds",
        "How long the oldest of these has waited; 0 where none waits.",
        [
            ((name,), (now - since).total_seconds() if since else 0.0)
            for name, since in oldest.items()
        ],
        "queue",
    )
    yield _gauge(
        "mosaic_jobs_held",
        "Jobs that wait for their member's week, or for room on a disk.",
        [((), float(len(queue.held)))],
    )
    counted = Job.objects.order_by().values_list("kind", "status").annotate(number=Count("pk"))
    yield _gauge(
        "mosaic_jobs",
        "Jobs by kind and state, all there ever were.",
        [((kind, status), float(number)) for kind, status, number in counted],
        "kind",
        "status",
    )
    yield _durations()
    running = Job.objects.filter(status=Job.Status.RUNNING).values_list("progress", flat=True)
    speed = sum(float(one.get("tokens_per_second") or 0) for one in running)
    yield _gauge(
        "mosaic_training_tokens_per_second",
        "What all jobs that train at this moment read, together.",
        [((), speed)],
    )
    tokens = Expert.objects.aggregate(total=Sum("tokens"))["total"] or 0
    yield _total("mosaic_training_tokens", "What all finished experts have read.", tokens)
    # By batches where the box is batched: a count by the minute would tell who voted when.
    casts = sum(max(0, head.public_length - 1) for head in BoxHead.objects.select_related("round"))
    yield _total("mosaic_casts", "Entries of all ballot boxes that are public.", casts)
    yield _total("mosaic_ledger_entries", "Entries of the ledger.", Entry.objects.count())
    members = User.objects.filter(left_at=None).count()
    yield _gauge("mosaic_members", "Members who have not left.", [((), float(members))])
    yield _gauge(
        "mosaic_storage_bytes",
        "What datasets and adapters take.",
        [((what,), float(size)) for what, size in stored_bytes().items()],
        "what",
    )


def _durations() -> Metric:
    """Of all jobs that were finished: rows are never deleted, so that it only grows."""
    family = HistogramMetricFamily(
        "mosaic_job_duration_seconds", "What workers took for finished jobs.", labels=("kind",)
    )
    done = Job.objects.filter(status=Job.Status.DONE).order_by()
    began = Coalesce("begun_at", "started_at")
    taken: dict[str, list[float]] = {}
    for kind, took in done.annotate(took=F("finished_at") - began).values_list("kind", "took"):
        if took is not None:
            taken.setdefault(kind, []).append(took.total_seconds())
    for kind, seconds in taken.items():
        places = Counter(sum(one > bound for bound in JOB_BOUNDS) for one in seconds)
        counts = [float(places[place]) for place in range(len(JOB_BOUNDS) + 1)]
        family.add_metric((kind,), measures.cumulated(JOB_BOUNDS, counts), sum(seconds))
    return family


def stored_bytes() -> dict[str, int]:
    """What the files of datasets and of adapters take, by the rows."""
    datasets = DatasetVersion.objects.exclude(file="").aggregate(total=Sum("size"))["total"]
    adapters = Expert.objects.filter(erased_at=None).aggregate(total=Sum("adapter_bytes"))["total"]
    return {"datasets": datasets or 0, "adapters": adapters or 0}


def _of_redis() -> Iterator[Metric]:
    workers = heartbeats.heard(heartbeats.WORKER)
    names = sorted(queues())
    by_queue = {name: [one for one in workers if name in one.facts["queues"]] for name in names}
    yield _gauge(
        "mosaic_workers",
        "Workers that are alive, by the queue that they listen to.",
        [((name,), float(len(there))) for name, there in by_queue.items()],
        "queue",
    )
    yield _gauge(
        "mosaic_workers_busy",
        "Those of them that do something.",
        [
            ((name,), float(sum(bool(one.facts.get("tasks")) for one in there)))
            for name, there in by_queue.items()
        ],
        "queue",
    )
    ticks = [beat.seconds_ago for beat in heartbeats.heard(heartbeats.BEAT)]
    yield _gauge("mosaic_beats", "Beats that tick: there should be one.", [((), len(ticks))])
    with measures.connect() as connection:
        lengths = [((name,), float(connection.llen(name))) for name in names]
        serving = float(connection.exists(ALIVE))
        questions = float(connection.zcard(QUESTIONS))
    yield _gauge(
        "mosaic_queue_messages", "Messages that the broker holds, by queue.", lengths, "queue"
    )
    yield _gauge("mosaic_serving_up", "Whether a serving process is alive.", [((), serving)])
    yield _gauge(
        "mosaic_serving_questions_waiting", "Questions nobody has taken.", [((), questions)]
    )
    stored = measures.stored()
    for one in measures.ALL:
        yield one.family(stored)
    yield _gauge("mosaic_scrape_time_seconds", "This moment.", [((), time.time())])
