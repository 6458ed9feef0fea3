import uuid
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone

from contributions.models import Expert
from governance import ballot_box
from governance.models.proposal import Proposal, ProposalVersion
from mosaic_site.lifecycle import Lifecycle
from mosaic_site.members.models import User

if TYPE_CHECKING:
    from governance.models.decision import Decision

ROUND_LIFECYCLE = Lifecycle(
    "round",
    {
        "scheduled": frozenset({"discussion", "annulled"}),
        "discussion": frozenset({"frozen", "annulled"}),
        "frozen": frozenset({"open", "annulled"}),
        "open": frozenset({"closed"}),
        "closed": frozenset({"tallied"}),
        "tallied": frozenset({"provisional", "no_quorum"}),
        "provisional": frozenset({"ratified", "annulled"}),
        "no_quorum": frozenset(),
        "ratified": frozenset(),
        "annulled": frozenset(),
    },
)


class RoundQuerySet(models.QuerySet["Round"]):
    def under_way(self) -> "RoundQuerySet":
        """What the clock moves on, the earliest first."""
        return self.filter(status__in=Round.UNDER_WAY).order_by("opens_at", "id")

    def overdue(self, moment: datetime) -> "RoundQuerySet":
        """What should have been moved on before `moment`. One that cannot open is not: another is
        open still."""
        S = Round.Status
        late = models.Q(status__in=[S.OPEN, S.CLOSED, S.TALLIED], closes_at__lt=moment)
        late |= models.Q(status=S.SCHEDULED, discussion_at__lt=moment)
        late |= models.Q(status=S.DISCUSSION, freezes_at__lt=moment)
        if not self.filter(status=S.OPEN).exists():
            late |= models.Q(status=S.FROZEN, opens_at__lt=moment)
        return self.filter(late)

    def to_come(self) -> "RoundQuerySet":
        """Planned, discussed or frozen; nobody votes in them yet."""
        return self.filter(status__in=Round.TO_COME).order_by("opens_at", "id")

    def over(self) -> "RoundQuerySet":
        return self.exclude(status__in=(*Round.TO_COME, Round.Status.OPEN))

    def with_counts(self) -> "RoundQuerySet":
        """Adds `candidate_count`, `ballot_count`, `elector_count`.

        While voting is open `ballot_count` is as of the last batch, if the box has batches.
        """
        held_back = models.Q(status=Round.Status.OPEN, box__batched=True)
        return self.annotate(
            candidate_count=_count(Candidate.objects.all()),
            ballot_count=models.Case(
                models.When(held_back, then=models.F("box__shown_voters")),
                default=_count(Elector.objects.filter(voted=True)),
            ),
            elector_count=_count(Elector.objects.all()),
        )


def _count(rows: "models.QuerySet[Candidate] | models.QuerySet[Elector]") -> Coalesce:
    """How many of `rows` a round has.

    A subquery each: three counts in one join would walk candidates x ballots x electors.
    """
    counted = (
        rows.filter(round=models.OuterRef("pk"))
        .order_by()
        .values("round")
        .annotate(number=models.Count("pk"))
        .values("number")
    )
    return Coalesce(models.Subquery(counted), 0)


class Round(models.Model):
    """One voting cycle: planned, discussed, frozen, voted in, counted and settled.

    Freezing fixes candidates, costs, questions, budget, rule, electorate, quorum, times and the
    commitment to the lot; from then on the database refuses to change them.
    """

    class Status(models.TextChoices):
        SCHEDULED = "scheduled", "scheduled"
        DISCUSSION = "discussion", "discussion"
        FROZEN = "frozen", "frozen"
        OPEN = "open", "open"
        CLOSED = "closed", "closed"
        TALLIED = "tallied", "tallied"
        PROVISIONAL = "provisional", "provisional"
        NO_QUORUM = "no_quorum", "no quorum"
        RATIFIED = "ratified", "ratified"
        ANNULLED = "annulled", "annulled"

    TO_COME = (Status.SCHEDULED, Status.DISCUSSION, Status.FROZEN)
    UNDER_WAY = (*TO_COME, Status.OPEN, Status.CLOSED, Status.TALLIED)
    RULE = "equal-shares"
    ADVISORY_BELOW = 10
    """With fewer ballots only totals are published, and the result is called advisory."""

    title = models.CharField(max_length=120)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rounds_opened"
    )
    status = models.CharField(max_length=12, choices=Status, default=Status.SCHEDULED)
    budget_bytes = models.PositiveBigIntegerField()
    # Ballots needed for a result; empty ones count.
    quorum = models.PositiveIntegerField()
    rule = models.CharField(max_length=20, default=RULE)
    # Swiecie's floor: approvals/voters >= cost/(3 x budget).
    floor = models.BooleanField(default=True)
    discussion_at = models.DateTimeField()
    freezes_at = models.DateTimeField()
    opens_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    # How long a provisional result can be contested before it may be ratified.
    contest_lasts = models.DurationField(default=timedelta(0))
    contest_ends_at = models.DateTimeField(null=True, blank=True)
    # When those who had not voted were reminded, a day before the close.
    reminded_at = models.DateTimeField(null=True, blank=True)
    # The lot that settles exact ties. Its hash is public from the freeze on.
    lot_seed = models.CharField(max_length=64, blank=True)
    # The key of the voters' pseudonyms; destroyed as soon as the round is settled.
    ballot_key = models.CharField(max_length=64, blank=True)
    electors_root = models.CharField(max_length=64, blank=True)
    status_reason = models.TextField(blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    settled_at = models.DateTimeField(null=True, blank=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = RoundQuerySet.as_manager()

    class Meta:
        ordering = ["-opens_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=sorted(ROUND_LIFECYCLE.states)),
                name="round_status_known",
            ),
            models.UniqueConstraint(
                fields=["status"], condition=models.Q(status="open"), name="round_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(discussion_at__lte=models.F("freezes_at"))
                & models.Q(freezes_at__lte=models.F("opens_at"))
                & models.Q(opens_at__lt=models.F("closes_at")),
                name="round_times_in_order",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("governance:round_detail", args=[self.pk])

    @property
    def is_frozen(self) -> bool:
        return bool(self.electors_root)

    @property
    def takes_ballots(self) -> bool:
        """As this machine's clock has it, for pages. The cast asks `takes_ballots_at`."""
        return self.takes_ballots_at(timezone.now())

    def takes_ballots_at(self, moment: datetime) -> bool:
        return self.status == self.Status.OPEN and self.opens_at <= moment < self.closes_at

    @property
    def takes_slates(self) -> bool:
        """Whether members may recommend a ballot: what stands on it is known, and not yet over."""
        return self.status == self.Status.FROZEN or self.takes_ballots

    @property
    def takes_changes(self) -> bool:
        """Whether proposals and plans may still change what will stand on the ballot."""
        return self.status in (self.Status.SCHEDULED, self.Status.DISCUSSION)

    @property
    def is_over(self) -> bool:
        """Whether voting has ended, so that tallies may be seen."""
        return self.status not in (*self.TO_COME, self.Status.OPEN)

    @property
    def seconds_left(self) -> float:
        """Until the close; 0 after it."""
        return max(0.0, (self.closes_at - timezone.now()).total_seconds())

    @property
    def can_be_contested(self) -> bool:
        return (
            self.status == self.Status.PROVISIONAL
            and self.contest_ends_at is not None
            and timezone.now() < self.contest_ends_at
        )

    @property
    def lot_commitment(self) -> str:
        """SHA-256 of the lot's seed: public from the freeze on, so that nobody can choose it."""
        return ballot_box.commitment(self.lot_seed) if self.lot_seed else ""

    @property
    def outcome(self) -> "Decision | None":
        """The decision that stands, once there is one. Reads what is prefetched."""
        return next((one for one in self.decisions.all() if one.stands), None)

    def refusal_for(self, person: User, moment: datetime | None = None) -> str:
        """Why this person cannot cast or change a ballot at a moment, by default now by this
        machine's clock, as a sentence; "" if they can."""
        if self.status in self.TO_COME:
            return "Voting has not begun yet, so nothing was cast. Come back when it opens."
        if not self.takes_ballots_at(moment or timezone.now()):
            return (
                "This round has closed, so your ballot was not changed. "
                "What you cast before the close counts."
            )
        if not self.electors.filter(member=person).exists():
            return (
                "You became a member after this round was frozen, so you vote from the next one on."
            )
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


class Question(models.Model):
    """A yes/no question on a round's ballot: a proposal, bound to the exact version voted on.

    It passes if more than `threshold` of those who say yes or no say yes, and at least `quorum`
    answer at all.
    """

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="questions")
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="questions")
    version = models.ForeignKey(ProposalVersion, on_delete=models.PROTECT, related_name="+")
    # A fraction p/q, as `fractions.Fraction` reads it.
    threshold = models.CharField(max_length=10)
    quorum = models.PositiveIntegerField()

    class Meta:
        ordering = ["round", "id"]
        constraints = [
            models.UniqueConstraint(fields=["round", "proposal"], name="question_once_per_round")
        ]

    def __str__(self) -> str:
        return self.version.title

    @property
    def needed(self) -> Fraction:
        return Fraction(self.threshold)


class Elector(models.Model):
    """One person who may vote in a round: a member from before it was frozen.

    `voted` says that they did, and nothing says what or when: the ballots are another table,
    with no link to this one.
    """

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="electors")
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="electorates"
    )
    salt = models.CharField(max_length=32, blank=True)
    voted = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "member"], name="elector_once_per_round")
        ]
        indexes = [models.Index(fields=["round", "voted"])]

    def __str__(self) -> str:
        return f"{self.member} in {self.round}"

    @property
    def public_id(self) -> str:
        return ballot_box.elector_id(self.salt, self.member_id)
