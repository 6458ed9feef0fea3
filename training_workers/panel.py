"""What is shown of a job, read from its rows alone: whoever looks later misses nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from django.conf import settings
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone

from training_workers.models import Job, JobEvent
from training_workers.scheduling import Place, Queue

# More points than this a curve on a page cannot show.
MOST_POINTS = 200
MOST_EVENTS = 60


@dataclass(frozen=True)
class Progress:
    """The newest progress of a job. None where its worker has not said."""

    phase: str | None = None
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    seconds_left: float | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Progress":
        return cls(**{field.name: data.get(field.name) for field in fields(cls)})

    @property
    def phase_words(self) -> str:
        return (self.phase or "begun").capitalize()


@dataclass(frozen=True)
class Measured:
    """What was last heard of the machine that does a job or did it."""

    device: str | None = None
    memory_mib: float | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    micro_batch: int | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Measured":
        return cls(**{field.name: data.get(field.name) for field in fields(cls)})


@dataclass(frozen=True)
class Beginning:
    """One event of the timeline, in words."""

    event: JobEvent
    words: str
    reason: str


@dataclass(frozen=True)
class Panel:
    """Everything that `training_workers/_job_panel.html` says."""

    job: Job
    progress: Progress
    measured: Measured
    place: Place | None
    seconds: float | None
    points: list[tuple[int, float]]
    timeline: list[Beginning]
    attempts_allowed: int

    @property
    def loss(self) -> float | None:
        """The newest loss: later phases, which evaluate, report none."""
        return self.points[-1][1] if self.points else None


WORDS = {
    "running": "A worker began",
    "queued": "Back in the queue",
    "done": "Finished",
    "failed": "Given up",
    "cancelled": "Stopped",
    "cancel requested": "Somebody asked to stop it",
    "put first": "A steward put it first",
    "put in its turn": "A steward put it back in its turn",
    "put last": "A steward put it behind all others",
    "out of memory": "The memory ran out",
}


def _points(job: Job) -> list[tuple[int, float]]:
    """(step, loss), at most about MOST_POINTS, thinned in the database.

    After a restart from a checkpoint the later attempt's value of a step replaces the earlier's.
    """
    stride = job.last_sequence // MOST_POINTS + 1
    rows = (
        job.events.filter(kind="progress", data__loss__isnull=False)
        .annotate(place=F("sequence") % stride)
        .filter(place=0)
        .values_list("data__step", "data__loss")
    )
    by_step = {step: loss for step, loss in rows if step is not None}
    newest = Progress.read(job.progress)
    if newest.step is not None and newest.loss is not None:
        by_step[newest.step] = newest.loss
    return sorted(by_step.items())


def _timeline(job: Job) -> list[Beginning]:
    events = job.events.exclude(kind="progress").order_by("-sequence")[:MOST_EVENTS]
    return [
        Beginning(
            event,
            WORDS.get(event.kind, event.kind.replace("_", " ").capitalize()),
            str(event.data.get("reason", "")),
        )
        for event in events
    ]


def panel_of(job: Job) -> Panel:
    """Read a job's panel: two queries, and at most six more while it waits."""
    seconds = None
    if job.started_at is not None:
        seconds = ((job.finished_at or timezone.now()) - job.started_at).total_seconds()
    return Panel(
        job=job,
        progress=Progress.read(job.progress),
        measured=Measured.read(job.measured),
        place=Queue().place(job) if job.status == Job.Status.QUEUED else None,
        seconds=seconds,
        points=_points(job),
        timeline=_timeline(job),
        attempts_allowed=settings.MOSAIC_JOB_ATTEMPTS,
    )


def render_update(job_id: int) -> str:
    """The panel as a socket sends it: elements that replace those of the same id on the page."""
    job = Job.objects.select_related("expert__owner", "release").get(pk=job_id)
    context = {"panel": panel_of(job), "update": True}
    return render_to_string("training_workers/_job_panel.html", context)
