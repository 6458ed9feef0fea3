from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse

from contributions.models.dataset import Dataset, DatasetVersion
from mosaic_site.lifecycle import Lifecycle

UPLOAD_LIFECYCLE = Lifecycle(
    "upload",
    {
        "open": frozenset({"finished", "aborted", "expired"}),
        "finished": frozenset(),
        "aborted": frozenset(),
        "expired": frozenset(),
    },
)


class UploadQuerySet(models.QuerySet["Upload"]):
    def open(self) -> UploadQuerySet:
        return self.filter(status=Upload.Status.OPEN)

    def with_received(self) -> UploadQuerySet:
        """Adds `received`: how many bytes are here."""
        return self.annotate(received=Coalesce(models.Sum("parts__size"), 0))


class Upload(models.Model):
    """A file that arrives in parts. It counts for nothing until it is finished.

    It becomes the first version of a new dataset called `name`, or the next one of `dataset`; or,
    with the purpose of an adapter, an expert that is brought with it. While it is open its `size`
    is reserved in its owner's quota, and its name too.
    """

    class Purpose(models.TextChoices):
        DATASET = "dataset", "a dataset"
        ADAPTER = "adapter", "an adapter"

    class Status(models.TextChoices):
        OPEN = "open", "open"
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
                condition=models.Q(status="open") & ~models.Q(name=""),
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
