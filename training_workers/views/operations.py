"""The operations page: what runs, what waits, what failed and what is wrong, for stewards."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis
from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from contributions.models import DatasetVersion, Expert
from mosaic_site import heartbeats
from mosaic_site.health import broker, routine
from mosaic_site.members.access import steward_required
from mosaic_site.monitoring import measures
from mosaic_site.monitoring.tasks import failures
from training_workers.models import Job
from training_workers.panel import Measured, Progress
from training_workers.scheduling import Queue
from training_workers.serving.wire import ALIVE, QUESTIONS

MOST_WAITING, MOST_FAILED = 20, 10


@dataclass(frozen=True)
class QueueNow:
    """A queue: what waits by the rows (None: nothing of it has rows), and who listens to it."""

    name: str
    waiting: int | None
    oldest: datetime | None
    messages: int | None
    workers: int


@dataclass(frozen=True)
class InRedis:
    """What has no rows. Empty where Redis is away, which `up` says."""

    up: bool = False
    workers: Sequence[heartbeats.Sign] = ()
    beats: Sequence[heartbeats.Sign] = ()
    serving: bool = False
    questions: int = 0
    messages: Mapping[str, int] | None = None
    failures: Sequence[Mapping[str, Any]] = ()
    examined: routine.Examined | None = None

    @classmethod
    def read(cls) -> "InRedis":
        try:
            with measures.connect() as connection:
                messages = {name: connection.llen(name) for name in sorted(broker.queues())}
                serving, questions = bool(connection.exists(ALIVE)), connection.zcard(QUESTIONS)
            return cls(
                up=True,
                workers=heartbeats.heard(heartbeats.WORKER),
                beats=heartbeats.heard(heartbeats.BEAT),
                serving=serving,
                questions=questions,
                messages=messages,
                failures=failures()[:MOST_FAILED],
                examined=routine.newest(),
            )
        except (redis.RedisError, OSError):
            return cls()


@steward_required
def operations(request: HttpRequest) -> HttpResponse:
    """The whole page; it asks for itself every few seconds and replaces its middle."""
    seen, queue = InRedis.read(), Queue()
    waiting = Job.objects.select_related("expert__owner", "release").in_bulk(
        [*queue.ready[:MOST_WAITING], *queue.held[:MOST_WAITING]]
    )
    running = Job.objects.filter(status=Job.Status.RUNNING).select_related(
        "expert__owner", "release"
    )
    failed = Job.objects.filter(status=Job.Status.FAILED).select_related("expert__owner", "release")
    files = DatasetVersion.objects.aggregate(
        waiting=Count("pk", filter=Q(status=DatasetVersion.Status.RECEIVED)),
        oldest=Min("received_at", filter=Q(status=DatasetVersion.Status.RECEIVED)),
        size=Sum("size", filter=~Q(file="")),
    )
    adapters = Expert.objects.filter(erased_at=None).aggregate(size=Sum("adapter_bytes"))
    context = {
        "seen": seen,
        "queues": list(_queues(seen, queue, files)),
        "running": [
            (job, Progress.read(job.progress), Measured.read(job.measured))
            for job in running.order_by("begun_at")
        ],
        "waiting": [waiting[key] for key in queue.ready if key in waiting],
        "more_waiting": max(0, len(queue.ready) - MOST_WAITING),
        "held": [waiting[key] for key in queue.held if key in waiting],
        "failed": failed.order_by("-finished_at")[:MOST_FAILED],
        "storage": [
            ("Datasets", files["size"] or 0),
            ("Adapters", adapters["size"] or 0),
        ],
        "free": _free(),
        "now": timezone.now(),
    }
    return render(request, "training_workers/operations.html", context)


def _queues(seen: InRedis, queue: Queue, files: Mapping[str, Any]) -> Any:
    for name in sorted(broker.queues()):
        by_rows: tuple[int | None, datetime | None] = (None, None)
        if name == "gpu":
            by_rows = (len(queue.ready), queue.oldest)
        elif name == "checks":
            by_rows = (files["waiting"], files["oldest"])
        yield QueueNow(
            name,
            *by_rows,
            messages=seen.messages[name] if seen.messages is not None else None,
            workers=sum(name in one.facts["queues"] for one in seen.workers),
        )


def _free() -> int | None:
    """Bytes left where files are; None where they are on other machines."""
    if not isinstance(default_storage, FileSystemStorage):
        return None
    return shutil.disk_usage(settings.MOSAIC_HOME).free
