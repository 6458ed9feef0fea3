"""The queue of the workers, read from the rows: who is next, why, and for how long others wait."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from heapq import heapify, heapreplace
from statistics import median
from typing import Any

from django.conf import settings
from django.db.models import F, Max, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from mosaic_site import clock
from training_workers.models import Job
from training_workers.turns import COMMUNITY, Member, Waiting, in_turn

WEEK = timedelta(days=7)
# The newest finished jobs from which it is told how long another will take, and of one sort.
FINISHED, OF_A_SORT = 200, 20

Sort = tuple[str, str | None, int | None]
"""What makes jobs take alike: kind, source of the expert, base."""
_SORT = ("kind", "expert__source", "base")


@dataclass(frozen=True)
class Place:
    """Where a waiting job stands. Position 1 is next; 0: it is held, see `reason`.

    `seconds` until it begins and until it ends; None where nothing like it has been finished.
    """

    position: int
    reason: str
    begins_in: float | None = None
    ends_in: float | None = None


def _with_base(jobs: QuerySet[Job]) -> QuerySet[Job, Any]:
    return jobs.annotate(base=Coalesce("expert__base_id", "release__base_id"))


class Queue:
    """The queue at this moment; six queries at most, each made when it is first needed."""

    @cached_property
    def _rows(self) -> dict[int, dict[str, Any]]:
        fields = (
            "id",
            "expert__owner",
            "priority",
            "priority_reason",
            "attempt",
            "not_before",
            "created_at",
        )
        return {row["id"]: row for row in _with_base(Job.objects.waiting()).values(*fields, *_SORT)}

    @cached_property
    def _running(self) -> list[dict[str, Any]]:
        running = Job.objects.filter(status=Job.Status.RUNNING)
        fields = ("expert__owner", "begun_at", "progress", *_SORT)
        return list(_with_base(running).values(*fields))

    @cached_property
    def _held(self) -> dict[Member, datetime]:
        """Who has used up their week, and when they may go on."""
        quota = timedelta(minutes=settings.MOSAIC_TRAINING_MINUTES_A_WEEK)
        if not quota:
            return {}
        members = {row["expert__owner"] for row in self._rows.values()} - {COMMUNITY}
        return {
            member: until
            for member, used in _used(members).items()
            if (until := held_until(used, quota)) is not None
        }

    def _is_held(self, row: Mapping[str, Any]) -> bool:
        if row["not_before"] is not None and row["not_before"] > clock.now():
            return True
        return row["priority"] != Job.Priority.FIRST and row["expert__owner"] in self._held

    @cached_property
    def ready(self) -> list[int]:
        """The keys of the jobs that workers may take, the next one first."""
        waiting = [
            Waiting(row["id"], row["expert__owner"], row["priority"], row["attempt"] > 0)
            for row in self._rows.values()
            if not self._is_held(row)
        ]
        if len(waiting) < 2:
            return [job.id for job in waiting]
        members = {job.member for job in waiting} - {COMMUNITY}
        begun = Job.objects.filter(expert__owner__in=members, begun_at__isnull=False)
        served = begun.order_by().values_list("expert__owner").annotate(last=Max("begun_at"))
        at_work = Counter(row["expert__owner"] for row in self._running)
        return [job.id for job in in_turn(waiting, at_work, dict(served))]

    @property
    def held(self) -> list[int]:
        """The keys of the jobs that nobody may take now: see their places' reasons."""
        return [key for key, row in self._rows.items() if self._is_held(row)]

    @property
    def oldest(self) -> datetime | None:
        """Since when that waits which has waited longest of what may be taken."""
        return min((self._rows[key]["created_at"] for key in self.ready), default=None)

    def place(self, job: Job) -> Place | None:
        """Where `job` stands; None where it does not wait."""
        row = self._rows.get(job.pk)
        if row is None:
            return None
        if self._is_held(row):
            if row["expert__owner"] not in self._held:
                return Place(0, f"It is tried again at {row['not_before']:%H:%M:%S} UTC.")
            minutes = settings.MOSAIC_TRAINING_MINUTES_A_WEEK
            until = f"{self._held[row['expert__owner']]:%-d %b, %H:%M} UTC"
            return Place(
                0,
                f"Its owner has used the {minutes:,} training minutes of seven days. It goes on "
                f"from {until}, or when a steward puts it first.",
            )
        ahead = self.ready[: self.ready.index(job.pk)]
        begins = self._begins_in(ahead)
        takes = self._seconds.get(_sort(row))
        ends = None if begins is None or takes is None else begins + takes
        return Place(len(ahead) + 1, self._reason(row, ahead), begins, ends)

    def _reason(self, row: Mapping[str, Any], ahead: Sequence[int]) -> str:
        said = ""
        if row["priority"] != Job.Priority.NORMAL:
            where = "first" if row["priority"] == Job.Priority.FIRST else "behind all others"
            said = f"A steward put it {where}: {row['priority_reason']} "
        if not ahead:
            return f"{said}It is next."
        owner = row["expert__owner"]
        before = [self._rows[key]["expert__owner"] for key in ahead]
        releases = sum(member is COMMUNITY for member in before)
        own = sum(member == owner for member in before) if owner is not COMMUNITY else 0
        others = {member for member in before if member not in {COMMUNITY, owner}}
        parts = [
            _counted(len(before) - own - releases, "job of", "jobs of")
            + f" {_counted(len(others), 'other member', 'other members')}"
            if others
            else "",
            _counted(own, "job", "jobs") + " of the same member" if own else "",
            _counted(releases, "release", "releases") if releases else "",
        ]
        listed = " and ".join(part for part in parts if part)
        return f"{said}Before it: {listed}. Members take turns."

    @cached_property
    def _seconds(self) -> dict[Sort, float]:
        """How long a job of each sort takes: the median of the newest that were finished."""
        done = Job.objects.filter(status=Job.Status.DONE).order_by("-finished_at")
        began = Coalesce("begun_at", "started_at")
        rows = _with_base(done).annotate(took=F("finished_at") - began)
        taken: dict[Sort, list[float]] = {}
        for row in rows.values("took", *_SORT)[:FINISHED]:
            if row["took"] is not None:
                taken.setdefault(_sort(row), []).append(row["took"].total_seconds())
        return {sort: median(seconds[:OF_A_SORT]) for sort, seconds in taken.items()}

    def _begins_in(self, ahead: Sequence[int]) -> float | None:
        """Seconds until the jobs `ahead` are taken and a worker is free: list scheduling on as
        many workers as are at work."""
        free = [self._left(row) for row in self._running]
        taking = [self._seconds.get(_sort(self._rows[key])) for key in ahead]
        if None in free or None in taking:
            return None
        workers = [seconds for seconds in free if seconds is not None] or [0.0]
        heapify(workers)
        for seconds in taking:
            heapreplace(workers, workers[0] + (seconds or 0.0))
        return workers[0]

    def _left(self, row: Mapping[str, Any]) -> float | None:
        """Seconds that a running job takes still; None where nobody can say."""
        said = row["progress"].get("seconds_left")
        takes = self._seconds.get(_sort(row))
        if takes is None or row["begun_at"] is None:
            return None if said is None else float(said)
        gone = (timezone.now() - row["begun_at"]).total_seconds()
        left: float = max(takes - gone, float(said or 0.0))
        return left


def _sort(row: Mapping[str, Any]) -> Sort:
    return row["kind"], row["expert__source"], row["base"]


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _used(members: Collection[Member]) -> dict[Member, list[tuple[datetime, timedelta]]]:
    """When their jobs of the last week were finished, and what the workers gave for them.

    Only what was finished counts: what failed, was cancelled or lost its worker is not paid for.
    """
    done = Job.objects.filter(
        expert__owner__in=members, status=Job.Status.DONE, finished_at__gt=timezone.now() - WEEK
    )
    used: dict[Member, list[tuple[datetime, timedelta]]] = {}
    began = Coalesce("begun_at", "started_at")
    for member, ended, begun in done.values_list("expert__owner", "finished_at", began):
        used.setdefault(member, []).append((ended, ended - begun))
    return used


def held_until(used: Sequence[tuple[datetime, timedelta]], quota: timedelta) -> datetime | None:
    """When less than `quota` is in use again, as what was finished grows a week old; None: now."""
    total = sum((taken for _, taken in used), timedelta())
    until = None
    for ended, taken in sorted(used):
        if total < quota:
            break
        total, until = total - taken, ended + WEEK
    return until
