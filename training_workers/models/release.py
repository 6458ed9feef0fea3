from pathlib import Path

from django.db import models
from django.urls import reverse

from contributions.models import Base, Expert
from governance.models import Decision
from mosaic_site.files import folder_at_hand
from mosaic_site.lifecycle import Lifecycle
from training_workers.engine.release_manifest import MERGED

FALLBACK = "fallback"
RELEASE_LIFECYCLE = Lifecycle(
    "release",
    {
        "composing": frozenset({"live", "failed"}),
        "live": frozenset({"retired"}),
        "retired": frozenset({"live"}),
        "failed": frozenset({"composing"}),
    },
)


class ReleaseQuerySet(models.QuerySet["Release"]):
    def live(self) -> "ReleaseQuerySet":
        return self.filter(status=Release.Status.LIVE)


class Release(models.Model):
    """An immutable composed model: a decision, its experts by hash, a strategy and a report."""

    class Status(models.TextChoices):
        COMPOSING = "composing", "composing"
        LIVE = "live", "live"
        RETIRED = "retired", "retired"
        FAILED = "failed", "failed"

    number = models.PositiveIntegerField(unique=True)
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="releases")
    # The live release that lost an expert, where this is the same decision without that expert.
    rebuilds = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="rebuilds_of_it"
    )
    base = models.ForeignKey(Base, on_delete=models.PROTECT, related_name="releases")
    status = models.CharField(max_length=10, choices=Status, default=Status.COMPOSING)
    status_reason = models.TextField(blank=True)
    strategy = models.CharField(max_length=40, blank=True)
    # The fitted strategy's folder in the storage: see `mosaic_site.files`.
    strategy_folder = models.CharField(max_length=240, blank=True)
    report = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    live_at = models.DateTimeField(null=True, blank=True)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(RELEASE_LIFECYCLE.states)),
                name="release_status_known",
            ),
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="live"), name="release_one_live"
            ),
            models.UniqueConstraint(
                fields=["decision"],
                condition=models.Q(rebuilds=None),
                name="release_once_per_decision",
            ),
        ]

    def __str__(self) -> str:
        return f"release {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("training_workers:release_detail", args=[self.number])

    @property
    def strategy_path(self) -> Path:
        """Where its strategy lies on this machine; fetched where it must be. Raises OSError."""
        return folder_at_hand(self.strategy_folder)

    @property
    def fallback_path(self) -> Path:
        """`best_single`, fitted beside the strategy: it answers while a merge is taken down."""
        return self.strategy_path / FALLBACK

    @property
    def stored_below(self) -> str:
        """Where in the storage its strategy is kept."""
        return f"releases/{self.number}"

    @property
    def merged_path(self) -> Path:
        """All experts as one adapter, beside a strategy that combines their weights."""
        return self.strategy_path / MERGED

    @property
    def is_merge(self) -> bool:
        """Whether its experts' weights were added up, so that no part of it is one expert's."""
        return any(
            one["name"] == self.strategy and one.get("level") == "weight"
            for one in self.report.get("candidates", [])
        )

    @property
    def controls(self) -> set[str]:
        """The adapters that were trained on its members' data for comparison, by their hashes."""
        return {one["sha256"] for one in self.report.get("controls", {}).values()}


class ReleaseExpertQuerySet(models.QuerySet["ReleaseExpert"]):
    def left(self) -> "ReleaseExpertQuerySet":
        """Withdrawn since: they answer no more."""
        return self.exclude(expert__status=Expert.Status.ELIGIBLE)


class ReleaseExpert(models.Model):
    """One expert of a release, by the hash of its adapter, and its credit there (-1 to 1).

    Credit is the expert's share of what the mosaic solves beyond the base, by Shapley value, in
    shares of all sealed probes; an owner's experts divide the value of all of them. Below 0: with
    it the mosaic solves less. In reports without Shapley values it is what the expert answered.
    """

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="members")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="memberships")
    adapter_sha256 = models.CharField(max_length=64)
    credit = models.FloatField(default=0.0)

    objects = ReleaseExpertQuerySet.as_manager()

    class Meta:
        ordering = ["release", "id"]
        constraints = [
            models.UniqueConstraint(fields=["release", "expert"], name="release_expert_once")
        ]

    def __str__(self) -> str:
        return f"{self.expert} in {self.release}"
