from datetime import timedelta

from django.conf import settings
from django.db import models
from django.urls import reverse

from contributions.models import Expert
from mosaic_site import clock
from mosaic_site.lifecycle import Lifecycle
from training_workers.models.release import Release

JOB_LIFECYCLE = Lifecycle(
    "job",
    {
        "queued": frozenset({"running", "cancelled"}),
        "running": frozenset({"queued", "done", "failed", "cancelled"}),
        "done": frozenset(),
        "failed": frozenset(),
        "cancelled": frozenset(),
    },
)


MEASURED = ("device", "memory_mib", "tokens", "tokens_per_second", "micro_batch")
"""What a page tells of the machine, long after the phase in which it was measured."""


class JobQuerySet(models.QuerySet["Job"]):
    def active(self) -> "JobQuerySet":
        return self.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING])

    def waiting(self) -> "JobQuerySet":
        """In the order in which they came; `training_workers.scheduling` says who is next."""
        return self.filter(status=Job.Status.QUEUED).order_by("id")

    def silent(self) -> "JobQuerySet":
        """Running, but their worker has said nothing for too long."""
        limit = timedelta(seconds=settings.MOSAIC_HEARTBEAT_TIMEOUT_SECONDS)
        return self.filter(status=Job.Status.RUNNING, heartbeat_at__lt=clock.now() - limit)


class Job(models.Model):
    """A piece of work for the `gpu` queue: train one expert, or compose one release."""

    class Kind(models.TextChoices):
        TRAIN = "train", "training"
        COMPOSE = "compose", "composing"

    class Status(models.TextChoices):
        QUEUED = "queued", "queued"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    class Priority(models.IntegerChoices):
        FIRST = 1, "first"
        NORMAL = 0, "in its turn"
        LAST = -1, "last"

    kind = models.CharField(max_length=10, choices=Kind)
    expert = models.ForeignKey(
        Expert, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs"
    )
    release = models.ForeignKey(
        Release, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    reason = models.TextField(blank=True)
    # The database knows defaults too, for code from before these columns, which may still run.
    # Set by a steward, with a reason that everybody reads.
    priority = models.SmallIntegerField(
        choices=Priority, default=Priority.NORMAL, db_default=Priority.NORMAL
    )
    priority_reason = models.TextField(blank=True, default="", db_default="")
    # How often a worker has begun it; and how many of them fell silent, for which alone it is given
    # up: a worker that was stopped in order, or found the disk full, gave it back.
    attempt = models.PositiveSmallIntegerField(default=0)
    lost = models.PositiveSmallIntegerField(default=0, db_default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    cancel_requested = models.BooleanField(default=False)
    cancel_reason = models.TextField(blank=True)
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The newest progress: {"phase", "step", "steps", "loss", "tokens_per_second",
    # "seconds_left", "memory_mib", "device", "micro_batch"}.
    progress = models.JSONField(default=dict, blank=True)
    # What was last heard of each of MEASURED, in whichever phase.
    measured = models.JSONField(
        default=dict, blank=True, db_default=models.Value({}, models.JSONField())
    )
    last_sequence = models.PositiveIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    # When the newest attempt began: what it took is counted from here.
    begun_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(JOB_LIFECYCLE.states)),
                name="job_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(priority__in=[-1, 0, 1]), name="job_priority_known"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="train", expert__isnull=False, release__isnull=True)
                | models.Q(kind="compose", expert__isnull=True, release__isnull=False),
                name="job_has_its_subject",
            ),
            models.UniqueConstraint(
                fields=["expert"],
                condition=models.Q(status__in=["queued", "running"]),
                name="job_one_active_per_expert",
            ),
            models.UniqueConstraint(
                fields=["release"],
                condition=models.Q(status__in=["queued", "running"]),
                name="job_one_active_per_release",
            ),
        ]

    def __str__(self) -> str:
        examines = self.expert is not None and self.expert.is_brought
        verb = "examining" if examines else self.get_kind_display()
        return f"{verb} of {self.expert or self.release}"

    def get_absolute_url(self) -> str:
        return reverse("training_workers:job_detail", args=[self.pk])

    @property
    def is_active(self) -> bool:
        return self.status in {self.Status.QUEUED, self.Status.RUNNING}


class JobEvent(models.Model):
    """Something that happened in a job, numbered, so that a page can ask for what it missed."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    sequence = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    data = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["job", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["job", "sequence"], name="event_sequence_once")
        ]

    def __str__(self) -> str:
        return f"{self.job_id}.{self.sequence} {self.kind}"
