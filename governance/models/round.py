import hashlib
import uuid
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from contributions.models import Expert
from mosaic_site.lifecycle import Lifecycle
from mosaic_site.members.models import User

if TYPE_CHECKING:
    from governance.models.decision import Decision

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
            candidate_count=_count("candidates"),
            ballot_count=_count("ballots"),
            elector_count=_count("electors"),
        )


def _count(relation: str) -> Coalesce:
    """How many rows of `relation` a round has.

    A subquery each: three counts in one join would walk candidates x ballots x electors.
    """
    counted = (
        Round.objects.filter(pk=models.OuterRef("pk"))
        .order_by()
        .values("pk")
        .annotate(number=models.Count(relation))
        .values("number")
    )
    return Coalesce(models.Subquery(counted), 0)


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

    @property
    def seconds_left(self) -> float:
        """Until the close; 0 after it."""
        return max(0.0, (self.closes_at - timezone.now()).total_seconds())

    @property
    def lot_commitment(self) -> str:
        """SHA-256 of the lot's seed: public from the opening, so that nobody can choose the lot."""
        return hashlib.sha256(self.lot_seed.encode()).hexdigest()

    @property
    def outcome(self) -> "Decision | None":
        """The decision, once there is one."""
        return getattr(self, "decision", None)

    def refusal_for(self, person: User) -> str:
        """Why this person cannot cast or change a ballot now, as a sentence; "" if they can."""
        if not self.takes_ballots:
            return (
                "This round has closed, so your ballot was not changed. "
                "What you cast before the close counts."
            )
        if not self.electors.filter(member=person).exists():
            return "You became a member after this round opened, so you vote from the next one on."
        return ""


class CandidateQuerySet(models.QuerySet["Candidate"]):
    def with_experts(self) -> "CandidateQuerySet":
        return self.select_related("expert__owner", "expert__priority")


class Candidate(models.Model):
    """One expert on a round's ballot, bound to the exact adapter voted on."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="candidates")
    expert = models.ForeignKey(Expert, on_delete=models.PROTECT, related_name="candidacies")
    adapter_sha256 = models.CharField(max_length=64)
    cost_bytes = models.PositiveBigIntegerField()

    objects = CandidateQuerySet.as_manager()

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
