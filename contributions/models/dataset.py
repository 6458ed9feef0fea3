import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse

from contributions.intake import Report
from mosaic_site.lifecycle import Lifecycle


class Licence(models.TextChoices):
    """SPDX identifiers that a contributor may choose from."""

    CC0 = "CC0-1.0", "CC0 1.0 (public domain)"
    CC_BY_4 = "CC-BY-4.0", "CC BY 4.0 (attribution)"
    CC_BY_3 = "CC-BY-3.0", "CC BY 3.0 (attribution)"
    CC_BY_SA = "CC-BY-SA-4.0", "CC BY-SA 4.0 (attribution, share alike)"
    CC_BY_NC = "CC-BY-NC-4.0", "CC BY-NC 4.0 (attribution, non-commercial)"
    MIT = "MIT", "MIT"
    APACHE = "Apache-2.0", "Apache 2.0"
    ODC_BY = "ODC-By-1.0", "ODC-By 1.0 (attribution, data)"
    ODBL = "ODbL-1.0", "ODbL 1.0 (share alike, data)"
    CC_BY_ND = "CC-BY-ND-4.0", "CC BY-ND 4.0 (no derivatives: cannot be trained on)"

    @property
    def allows_training(self) -> bool:
        return self is not Licence.CC_BY_ND

    @classmethod
    def trainable(cls) -> list[str]:
        return [licence.value for licence in cls if licence.allows_training]


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def with_latest(self) -> "DatasetQuerySet":
        """Adds `latest_number`, `latest_status`, `latest_rows` of the newest version."""
        newest = DatasetVersion.objects.filter(dataset=models.OuterRef("pk")).order_by("-number")
        return self.annotate(
            latest_number=models.Subquery(newest.values("number")[:1]),
            latest_status=models.Subquery(newest.values("status")[:1]),
            latest_rows=models.Subquery(newest.values("rows")[:1]),
        )


class Dataset(models.Model):
    """What a member brings, under one name and licence. Its content is in its versions."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="datasets"
    )
    name = models.CharField(max_length=80)
    licence = models.CharField(max_length=20, choices=Licence, blank=True)
    # The card: needed to submit an expert, not to upload.
    summary = models.TextField(blank=True, max_length=2000)
    origin = models.TextField(blank=True, max_length=2000)
    limits = models.TextField(blank=True, max_length=2000)
    is_public = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="dataset_name_once_per_owner")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("contributions:dataset_detail", args=[self.pk])

    @property
    def missing_for_training(self) -> list[str]:
        """What the card still lacks before an expert can be trained on this dataset."""
        lacks = []
        if not self.licence:
            lacks.append("a licence")
        elif not Licence(self.licence).allows_training:
            lacks.append("a licence that allows training (no-derivatives does not)")
        if not self.summary:
            lacks.append("a summary")
        if not self.origin:
            lacks.append("a word on where it comes from")
        return lacks


DATASET_VERSION_LIFECYCLE = Lifecycle(
    "dataset version",
    {
        "received": frozenset({"checking"}),
        "checking": frozenset({"received", "valid", "invalid"}),
        "valid": frozenset(),
        # Again only where the check itself broke off: nothing was said about the content.
        "invalid": frozenset({"received"}),
    },
)


def upload_path(version: "DatasetVersion", filename: str) -> str:
    """A new name every time, and nothing that the uploader said.

    It is needed before the content's hash is known, which is taken while the file is written.
    """
    return f"datasets/uploads/{uuid.uuid4().hex}.upload"


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    def trainable(self) -> "DatasetVersionQuerySet":
        """Valid, and nothing missing on the card (see `Dataset.missing_for_training`)."""
        described = self.filter(dataset__licence__in=Licence.trainable())
        described = described.exclude(dataset__summary="").exclude(dataset__origin="")
        return described.filter(status=DatasetVersion.Status.VALID)


class DatasetVersion(models.Model):
    """One immutable content of a dataset, named by its SHA-256."""

    class Status(models.TextChoices):
        RECEIVED = "received", "received"
        CHECKING = "checking", "checking"
        VALID = "valid", "valid"
        INVALID = "invalid", "invalid"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.RECEIVED)
    filename = models.CharField(max_length=240)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    file = models.FileField(upload_to=upload_path, max_length=240)
    # Normalised JSONL of prompt and completion, written by the check.
    rows_file = models.FileField(max_length=240, blank=True)
    rows = models.PositiveIntegerField(default=0)
    report_data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # The last sign of life of the check that runs, and how far it has read.
    checking_since = models.DateTimeField(null=True, blank=True)
    checked_bytes = models.PositiveBigIntegerField(default=0)
    check_attempts = models.PositiveSmallIntegerField(default=0)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["dataset", "sha256"], name="version_content_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(DATASET_VERSION_LIFECYCLE.states)),
                name="version_status_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name}, version {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("contributions:version_detail", args=[self.pk])

    @property
    def report(self) -> Report | None:
        return Report.from_dict(self.report_data) if self.report_data else None

    @property
    def is_waiting(self) -> bool:
        """Whether its check is still to come or running."""
        return self.status in {self.Status.RECEIVED, self.Status.CHECKING}

    @property
    def check_broke_off(self) -> bool:
        """Invalid without a word about its content: the check itself never came to its end."""
        return bool(self.report_data) and "broken_off" in self.report_data["counts"]
