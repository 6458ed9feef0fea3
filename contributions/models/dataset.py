import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from contributions import licences
from contributions.comparison import Comparison
from contributions.intake import Report
from contributions.models.erasing import erased_up_to
from mosaic_site.lifecycle import Lifecycle


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
    licence = models.CharField(max_length=40, choices=licences.choices, blank=True)
    # The card: needed to submit an expert, not to upload. Texts are Markdown.
    summary = models.TextField(blank=True, max_length=2000)
    origin = models.TextField(blank=True, max_length=2000)
    limits = models.TextField(blank=True, max_length=2000)
    # Whom to credit, where that is not the owner.
    credit = models.CharField(blank=True, max_length=200)
    # Lists of words as the Hub takes them: codes of languages, its tasks for texts, tags.
    languages = models.JSONField(default=list, blank=True)
    tasks = models.JSONField(default=list, blank=True)
    tags = models.JSONField(default=list, blank=True)
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
        elif not licences.LICENCES[self.licence].allows_training:
            lacks.append("a licence that allows training (no-derivatives does not)")
        if not self.summary:
            lacks.append("a summary")
        if not self.origin:
            lacks.append("a word on where it comes from")
        return lacks


DATASET_VERSION_LIFECYCLE = Lifecycle(
    "dataset version",
    {
        "received": frozenset({"checking", "withdrawn"}),
        "checking": frozenset({"received", "unmapped", "valid", "invalid", "withdrawn"}),
        # Until its owner says which column is what.
        "unmapped": frozenset({"received", "withdrawn"}),
        "valid": frozenset({"withdrawn"}),
        # Again only where nothing was said about the content: the check itself broke off, or it
        # took the wrong columns.
        "invalid": frozenset({"received", "withdrawn"}),
        "withdrawn": frozenset(),
    },
)


def upload_path(version: "DatasetVersion", filename: str) -> str:
    """A new name every time, and nothing that the uploader said.

    It is needed before the content's hash is known, which is taken while the file is written.
    """
    return f"datasets/uploads/{uuid.uuid4().hex}.upload"


# A worker that is there takes up what waits within a tick or two, and says every second or so that
# it goes on; only where it compares the rows of a large file at the end it is silent for longer.
TAKEN_UP_WITHIN = timedelta(seconds=25)
HEARD_WITHIN = timedelta(seconds=60)

CLEARED = models.Q(personal_found=0) | models.Q(acknowledged_at__isnull=False)


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    def standing(self) -> "DatasetVersionQuerySet":
        return self.exclude(status=DatasetVersion.Status.WITHDRAWN)

    def due_for_erasure(self) -> "DatasetVersionQuerySet":
        return self.filter(erased_at=None, withdrawn_at__lte=erased_up_to())

    def cleared(self) -> "DatasetVersionQuerySet":
        """Nothing personal was found in them, or their owner answers for it."""
        return self.filter(CLEARED)

    def trainable(self) -> "DatasetVersionQuerySet":
        """Valid, cleared, and nothing missing on the card (see `Dataset.missing_for_training`)."""
        described = self.cleared().filter(dataset__licence__in=licences.trainable())
        described = described.exclude(dataset__summary="").exclude(dataset__origin="")
        return described.filter(status=DatasetVersion.Status.VALID)

    def in_queue_order(self) -> "DatasetVersionQuerySet":
        """What waits for a worker, first come, first served."""
        waiting = self.filter(status=DatasetVersion.Status.RECEIVED)
        return waiting.order_by("received_at", "id")

    def unchecked_since(self, moment: datetime) -> "DatasetVersionQuerySet":
        """Brought before `moment`, and neither checked nor worked on since."""
        S = DatasetVersion.Status
        return self.filter(
            models.Q(status=S.RECEIVED, received_at__lt=moment)
            | models.Q(status=S.CHECKING, checking_since__lt=moment)
        )

    def worked_on(self) -> "DatasetVersionQuerySet":
        """What a worker checks at this moment."""
        recent = timezone.now() - HEARD_WITHIN
        return self.filter(status=DatasetVersion.Status.CHECKING, checking_since__gte=recent)


class DatasetVersion(models.Model):
    """One immutable content of a dataset, named by its SHA-256."""

    class Status(models.TextChoices):
        RECEIVED = "received", "received"
        CHECKING = "checking", "checking"
        UNMAPPED = "unmapped", "unmapped"
        VALID = "valid", "valid"
        INVALID = "invalid", "invalid"
        WITHDRAWN = "withdrawn", "withdrawn"

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
    # Digests of its rows, with which later versions of other datasets are compared.
    index_file = models.FileField(max_length=240, blank=True)
    # Which column is what, where its owner said so: for this version, or for an earlier one.
    mapping = models.JSONField(default=dict, blank=True)
    report_data = models.JSONField(default=dict, blank=True)
    # What it shares with other datasets and with sealed probes: see `Comparison`.
    comparison_data = models.JSONField(default=dict, blank=True)
    # The base whose tokens the report counts.
    tokens_of = models.CharField(max_length=80, blank=True)
    # How often the check found something that looks like personal data or a secret, and whether
    # the owner answers for it.
    personal_found = models.PositiveIntegerField(default=0)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Since when it has waited for its check, the first or another.
    received_at = models.DateTimeField(default=timezone.now)
    # The last sign of life of the check that runs, and how far it has read.
    checking_since = models.DateTimeField(null=True, blank=True)
    checked_bytes = models.PositiveBigIntegerField(default=0)
    check_attempts = models.PositiveSmallIntegerField(default=0)
    # Final. The files are erased `MOSAIC_ERASE_AFTER_DAYS` later; the hash and the counts stay.
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_reason = models.TextField(blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
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
    def comparison(self) -> Comparison:
        return Comparison.from_dict(self.comparison_data)

    @property
    def is_cleared(self) -> bool:
        """Nothing personal was found in it, or its owner answers for it."""
        return not self.personal_found or self.acknowledged_at is not None

    @property
    def can_be_mapped(self) -> bool:
        """Whether its owner may say which column is what: not once it is ready to use."""
        unsettled = self.status in {self.Status.UNMAPPED, self.Status.INVALID}
        return unsettled and bool(self.report_data.get("preview_columns"))

    @property
    def lacks_worker(self) -> bool:
        """It waits for its check, and no worker is heard of that checks it or another file."""
        now = timezone.now()
        if self.status == self.Status.CHECKING:
            return self.checking_since is not None and self.checking_since < now - HEARD_WITHIN
        is_late = self.received_at < now - TAKEN_UP_WITHIN
        waits = self.status == self.Status.RECEIVED and is_late
        return waits and not DatasetVersion.objects.worked_on().exists()

    def queue_position(self) -> int:
        """1 for the version that a worker takes up next; 0 for one that does not wait."""
        waiting = DatasetVersion.objects.in_queue_order().values_list("pk", flat=True)
        return next((place for place, pk in enumerate(waiting, 1) if pk == self.pk), 0)

    @property
    def is_waiting(self) -> bool:
        """Whether its check is still to come or running."""
        return self.status in {self.Status.RECEIVED, self.Status.CHECKING}

    @property
    def check_broke_off(self) -> bool:
        """Invalid without a word about its content: the check itself never came to its end."""
        return bool(self.report_data) and "broken_off" in self.report_data["counts"]
