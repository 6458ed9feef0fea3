import uuid

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from contributions.models import Expert
from mosaic_site.lifecycle import Lifecycle

ROUND_LIFECYCLE = Lifecycle(
    "round",
    {
        "open": frozenset({"provisional", "no_quorum"}),
        "provisional": frozenset({"ratified", "vetoed"}),
        "no_quorum": frozenset(),
        "ratified": frozenset(),
        "vetoed": frozenset(),
    },
)


class RoundQuerySet(models.QuerySet["Round"]):
    def due(self) -> "RoundQuerySet":
        """Open rounds whose time is over."""
        return self.filter(status=Round.Status.OPEN, closes_at__lte=timezone.now())

    def with_counts(self) -> "RoundQuerySet":
        """Adds `candidate_count`, `ballot_count`, `elector_count`."""
        return self.annotate(
            candidate_count=models.Count("candidates", distinct=True),
            ballot_count=models.Count("ballots", distinct=True),
            elector_count=models.Count("electors", distinct=True),
        )


class Round(models.Model):
    """One voting cycle. Candidates, costs, budget, electorate and quorum are frozen as it opens."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        PROVISIONAL = "provisional", "provisional"
        NO_QUORUM = "no_quorum", "no quorum"
        RATIFIED = "ratified", "ratified"
        VETOED = "vetoed", "vetoed"

    title = models.CharField(max_length=120)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rounds_opened"
    )
    status = models.CharField(max_length=12, choices=Status, default=Status.OPEN)
    budget_bytes = models.PositiveBigIntegerField()
    # Ballots needed for a result; empty ones count.
    quorum = models.PositiveIntegerField()
    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    # The lot that settles exact ties. Its hash is public while the round is open.
    lot_seed = models.CharField(max_length=64)
    status_reason = models.TextField(blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = RoundQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(ROUND_LIFECYCLE.states)),
                name="round_status_known",
            ),
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="open"), name="round_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(closes_at__gt=models.F("opened_at")),
                name="round_closes_after_opening",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("governance:round_detail", args=[self.pk])

    @property
    def takes_ballots(self) -> bool:
        return self.status == self.Status.OPEN and timezone.now() < self.closes_at


class Candidate(models.Model):
    """One expert on a round's ballot, bound to the exact adapter voted on."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="candidates")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="candidacies")
    adapter_sha256 = models.CharField(max_length=64)
    cost_bytes = models.PositiveBigIntegerField()

    class Meta:
        ordering = ["round", "id"]
        constraints = [
            models.UniqueConstraint(fields=["round", "expert"], name="candidate_once_per_round")
        ]

    def __str__(self) -> str:
        return self.expert.name


class Elector(models.Model):
    """One person who may vote in a round: a member from before it opened."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="electors")
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="electorates"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "member"], name="elector_once_per_round")
        ]

    def __str__(self) -> str:
        return f"{self.member} in {self.round}"
