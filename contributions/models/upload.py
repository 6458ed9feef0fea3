from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from contributions.models.dataset import Dataset, DatasetVersion
from mosaic_site.lifecycle import Lifecycle

UPLOAD_LIFECYCLE = Lifecycle(
    "upload",
    {
        # An adapter is finished without being joined: an expert is made of it.
        "open": frozenset({"joining", "finished", "aborted", "expired"}),
        "joining": frozenset({"finished", "open"}),
        "finished": frozenset(),
        "aborted": frozenset(),
        "expired": frozenset(),
    },
)
UNFINISHED = ["open", "joining"]
# A worker that puts parts together says so at every part.
JOIN_TIMEOUT = timedelta(minutes=2)


class UploadQuerySet(models.QuerySet["Upload"]):
    def open(self) -> UploadQuerySet:
        return self.filter(status=Upload.Status.OPEN)

    def unfinished(self) -> UploadQuerySet:
        """Open, or being put together: its room and its name are taken."""
        return self.filter(status__in=UNFINISHED)

    def to_join(self) -> UploadQuerySet:
        """Those whose parts nobody puts together at this moment."""
        lost = timezone.now() - JOIN_TIMEOUT
        free = models.Q(joining_since=None) | models.Q(joining_since__lt=lost)
        return self.filter(free, status=Upload.Status.JOINING)

    def with_received(self) -> UploadQuerySet:
        """Adds `received`: how many bytes are here."""
        return self.annotate(received=Coalesce(models.Sum("parts__size"), 0))


class Upload(models.Model):
    """A file that arrives in parts. It counts for nothing until it is finished.

    It becomes the first version of a new dataset called `name`, or the next one of `dataset`; or,
    with the purpose of an adapter, an expert that is brought with it. Until it is finished its
    `size` is reserved in its owner's quota, and its name too. Once all of a dataset is here a
    worker puts the parts together; where the whole is not taken it is open again, and `problem`
    and `remedy` say why.
    """

    class Purpose(models.TextChoices):
        DATASET = "dataset", "a dataset"
        ADAPTER = "adapter", "an adapter"

    class Status(models.TextChoices):
        OPEN = "open", "open"
        JOINING = "joining", "joining"
        FINISHED = "finished", "finished"
        ABORTED = "aborted", "aborted"
        EXPIRED = "expired", "expired"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="uploads"
    )
    # Of the database too: an older release that still runs beside this one does not name it.
    purpose = models.CharField(
        max_length=10, choices=Purpose, default=Purpose.DATASET, db_default=Purpose.DATASET
    )
    name = models.CharField(max_length=80, blank=True)
    dataset = models.ForeignKey(
        Dataset, null=True, blank=True, on_delete=models.PROTECT, related_name="uploads"
    )
    filename = models.CharField(max_length=240)
    size = models.PositiveBigIntegerField()
    # All parts but the last have this size.
    part_bytes = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    version = models.OneToOneField(
        DatasetVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="upload"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # When its last part came.
    touched_at = models.DateTimeField()
    # The last sign of life of the worker that puts its parts together.
    joining_since = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, default="", db_default="")
    remedy = models.TextField(blank=True, default="", db_default="")
    # Whether its parts still lie in the storage.
    has_parts = models.BooleanField(default=True)
    once = models.UUIDField(default=uuid.uuid4, editable=False)

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ["-touched_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "once"], name="upload_started_once"),
            models.UniqueConstraint(
                fields=["owner", "name"],
                condition=models.Q(status__in=UNFINISHED) & ~models.Q(name=""),
                name="upload_reserves_its_name",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(UPLOAD_LIFECYCLE.states)),
                name="upload_status_known",
            ),
            models.CheckConstraint(
                condition=models.Q(purpose="adapter", dataset=None, name="")
                | (
                    models.Q(purpose="dataset")
                    & (models.Q(dataset__isnull=True) ^ models.Q(name=""))
                ),
                name="upload_for_one_thing",
            ),
            models.CheckConstraint(
                condition=models.Q(purpose="adapter", version=None)
                | (
                    models.Q(purpose="dataset")
                    & (models.Q(status="finished") ^ models.Q(version__isnull=True))
                ),
                name="upload_finished_as_a_version",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.filename} for {self.dataset or self.name or 'an expert'}"

    def get_absolute_url(self) -> str:
        return reverse("contributions:upload_detail", args=[self.pk])

    @property
    def folder(self) -> str:
        """Where its parts lie in the storage."""
        return f"uploads/{self.pk}-{self.once.hex}"

    @property
    def is_adapter(self) -> bool:
        return self.purpose == self.Purpose.ADAPTER

    @property
    def part_count(self) -> int:
        return -(-self.size // self.part_bytes)

    def bytes_of(self, number: int) -> int:
        """The size of part `number`, from 1."""
        return min(self.part_bytes, self.size - (number - 1) * self.part_bytes)


class UploadPart(models.Model):
    """A part that has arrived whole; `stored` is its name in the storage."""

    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    stored = models.CharField(max_length=240)

    class Meta:
        ordering = ["upload", "number"]
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="upload_part_once")
        ]

    def __str__(self) -> str:
        return f"part {self.number} of {self.upload}"
