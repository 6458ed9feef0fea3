import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse

from contributions import licences
from contributions.models.base import Base
from contributions.models.dataset import DatasetVersion
from contributions.models.erasing import erased_up_to
from contributions.models.priority import Priority
from mosaic_site.files import folder_at_hand
from mosaic_site.lifecycle import Lifecycle

# Where in the storage adapters are kept: see `mosaic_site.files`.
ADAPTERS = "adapters"
EXPERT_LIFECYCLE = Lifecycle(
    "expert",
    {
        "submitted": frozenset({"approved", "returned", "withdrawn"}),
        "returned": frozenset({"submitted", "withdrawn"}),
        "approved": frozenset({"training", "cancelled", "withdrawn"}),
        "training": frozenset({"eligible", "failed", "cancelled", "withdrawn"}),
        "eligible": frozenset({"withdrawn"}),
        "failed": frozenset({"approved", "submitted", "withdrawn"}),
        "cancelled": frozenset({"submitted", "withdrawn"}),
        "withdrawn": frozenset(),
    },
)


def brought_path(expert: "Expert", filename: str) -> str:
    """Named by the weights' content, never by what the uploader called them."""
    return f"brought/{expert.brought_sha256}-{uuid.uuid4().hex}-{filename}"


@dataclass(frozen=True)
class Finding:
    """What the checks noticed, with the other expert that it speaks of, if any."""

    kind: str
    severity: str
    text: str
    expert: "Expert | None" = None


@dataclass(frozen=True)
class Score:
    """What an expert reaches on a priority's probes, from 0 to 1, beside the base alone."""

    statement: str
    score: float
    low: float
    high: float
    base: float
    n: int


class ExpertQuerySet(models.QuerySet["Expert"]):
    def with_people(self) -> "ExpertQuerySet":
        return self.select_related("owner", "priority", "base")

    def waiting(self) -> "ExpertQuerySet":
        """What stewards must answer, the longest wait first."""
        return self.filter(status=Expert.Status.SUBMITTED).order_by("submitted_at", "id")

    def eligible(self) -> "ExpertQuerySet":
        return self.filter(status=Expert.Status.ELIGIBLE)

    def standing(self) -> "ExpertQuerySet":
        return self.exclude(status=Expert.Status.WITHDRAWN)

    def taught_by(self, versions: Iterable[DatasetVersion]) -> "ExpertQuerySet":
        """Those that stand and learnt, or are to learn, from any of these versions."""
        return self.standing().filter(versions__in=versions).distinct().with_people()

    def due_for_erasure(self) -> "ExpertQuerySet":
        return self.filter(erased_at=None, withdrawn_at__lte=erased_up_to())

    def for_ballot(self) -> "ExpertQuerySet":
        """Eligible and on the active base: a release has one base, so a round has one too."""
        return self.eligible().filter(base__active=True)


class Expert(models.Model):
    """One LoRA adapter on a base: what it is for, what it learns from, and what became of it."""

    class Status(models.TextChoices):
        SUBMITTED = "submitted", "submitted"
        RETURNED = "returned", "returned"
        APPROVED = "approved", "approved"
        TRAINING = "training", "training"
        ELIGIBLE = "eligible", "eligible"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        WITHDRAWN = "withdrawn", "withdrawn"

    class Source(models.TextChoices):
        TRAINED = "trained", "trained here"
        BROUGHT = "brought", "brought"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="experts"
    )
    name = models.CharField(max_length=60)
    purpose = models.TextField(max_length=600)
    priority = models.ForeignKey(Priority, on_delete=models.PROTECT, related_name="experts")
    base = models.ForeignKey(Base, on_delete=models.PROTECT, related_name="experts")
    versions = models.ManyToManyField(DatasetVersion, related_name="experts")
    source = models.CharField(max_length=10, choices=Source, default=Source.TRAINED)
    # Of a brought one: what nobody here can see, as its owner says it.
    licence = models.CharField(max_length=40, choices=licences.choices, blank=True)
    origin = models.TextField(max_length=2000, blank=True)
    card = models.TextField(blank=True)
    # The weights as they came, what their config says, and the words of the prompts, if told.
    brought_file = models.FileField(upload_to=brought_path, max_length=240, blank=True)
    brought_sha256 = models.CharField(max_length=64, blank=True)
    brought_config = models.JSONField(default=dict, blank=True)
    profile_file = models.FileField(upload_to=brought_path, max_length=240, blank=True)
    # `training_workers.engine.Recipe` as JSON; only what differs from its defaults.
    recipe = models.JSONField(default=dict, blank=True)
    status = models.CharField(max_length=10, choices=Status, default=Status.SUBMITTED)
    # The public reason of the last return, failure, cancellation or withdrawal.
    status_reason = models.TextField(blank=True)
    submitted_at = models.DateTimeField()
    # Set once, when training succeeds: what a ballot binds itself to.
    adapter_sha256 = models.CharField(max_length=64, blank=True)
    adapter_bytes = models.PositiveBigIntegerField(default=0)
    adapter_folder = models.CharField(max_length=240, blank=True)
    tokens = models.PositiveBigIntegerField(default=0)
    trained_at = models.DateTimeField(null=True, blank=True)
    # Final. The adapter is erased `MOSAIC_ERASE_AFTER_DAYS` later; its hash and scores stay.
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)
    # {"own": {"n", "score", "low", "high", "base"}, "others": [{"priority", "statement", ...}]}
    # on the fit and select probes.
    evidence = models.JSONField(default=dict, blank=True)
    # What the workers checked before the ballot (`training_workers.engine.checks`).
    checks = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = ExpertQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="expert_name_once_per_owner"),
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(EXPERT_LIFECYCLE.states)),
                name="expert_status_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(status="eligible")
                | (models.Q(adapter_bytes__gt=0) & ~models.Q(adapter_sha256="")),
                name="expert_eligible_has_adapter",
            ),
            models.CheckConstraint(
                condition=models.Q(source="trained") | ~models.Q(brought_sha256=""),
                name="expert_brought_has_weights",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("contributions:expert_detail", args=[self.pk])

    @property
    def adapter_path(self) -> Path:
        """Where its adapter lies on this machine; fetched where it must be. Raises OSError."""
        return folder_at_hand(self.adapter_folder)

    @property
    def is_brought(self) -> bool:
        return self.source == self.Source.BROUGHT

    @property
    def shown_state(self) -> str:
        """Its state as people read it: what was trained elsewhere is examined here."""
        if self.is_brought and self.status == self.Status.TRAINING:
            return "examining"
        return self.status

    @property
    def warnings(self) -> int:
        """How many findings of the checks ask for a look."""
        return sum(one["severity"] == "warning" for one in self.checks.get("findings", []))

    @property
    def findings(self) -> list[Finding]:
        """What the checks noticed; one query where other experts are spoken of."""
        rows = self.checks.get("findings", [])
        named = {row["expert"] for row in rows if "expert" in row}
        others = Expert.objects.select_related("owner").in_bulk(named) if named else {}
        return [
            Finding(row["kind"], row["severity"], row["text"], others.get(row.get("expert")))
            for row in rows
        ]

    @property
    def own_score(self) -> Score | None:
        """The measured score on its own priority; None before it is evaluated."""
        own = self.evidence.get("own")
        return _score(self.priority.statement, own) if own else None

    @property
    def other_scores(self) -> list[Score]:
        return [_score(other["statement"], other) for other in self.evidence.get("others", [])]


def _score(statement: str, measured: Mapping[str, Any]) -> Score:
    numbers = {name: measured[name] for name in ("score", "low", "high", "base", "n")}
    return Score(statement=statement, **numbers)
