import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from governance.models.round import Candidate, Round


class DecisionQuerySet(models.QuerySet["Decision"]):
    def ratified(self) -> "DecisionQuerySet":
        """What counts: the last tally of each ratified round."""
        return self.filter(stands=True, round__status=Round.Status.RATIFIED)

    def provisional(self) -> "DecisionQuerySet":
        """What may be ratified, contested or counted again."""
        return self.filter(stands=True, round__status=Round.Status.PROVISIONAL)

    def unexplained(self) -> "DecisionQuerySet":
        """Those that stand, and do not say yet what every loser lacked. The oldest first."""
        return self.filter(stands=True).exclude(to_ask=[]).order_by("pk")


class Decision(models.Model):
    """The result of a tally: who joined, what it cost and why, as `governance.tally` tells it.

    A tally is never edited. A veto counts the same ballots again without an expert: that is the
    next number, and it stands instead.
    """

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="decisions")
    number = models.PositiveSmallIntegerField(default=1)
    stands = models.BooleanField(default=True)
    # The canonical result of the count of the experts; spending by ballot, in order of receipts.
    result = models.JSONField()
    # The winners' ids, in order, as `governance.recount` found them.
    recount = models.JSONField(default=list)
    # [{"id", "result", "recount"}] for each question.
    questions = models.JSONField(default=list)
    # [{"candidate", "why"}] for each candidate left out of the count.
    without = models.JSONField(default=list)
    # [{"group", "voters", "served"}] for declared groups of at least `GROUP_AT_LEAST` voters:
    # how many of them approved of at least one winner. Counted while the round has its key.
    groups = models.JSONField(default=list)
    # How many more supporters would have carried each loser, by its id; null: none were found. In a
    # large election these are found one by one after the count: `to_ask` are those left.
    more_supporters = models.JSONField(default=dict)
    to_ask = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    GROUP_AT_LEAST = 5

    objects = DecisionQuerySet.as_manager()

    class Meta:
        ordering = ["round", "number"]
        constraints = [
            models.UniqueConstraint(fields=["round", "number"], name="decision_number_once"),
            models.UniqueConstraint(
                fields=["round"], condition=models.Q(stands=True), name="decision_one_stands"
            ),
        ]

    def __str__(self) -> str:
        return f"decision of {self.round}"

    def get_absolute_url(self) -> str:
        return reverse("governance:round_detail", args=[self.round_id])

    @property
    def winner_ids(self) -> list[int]:
        """Primary keys of the winning candidates, in the order in which they were chosen."""
        return [int(winner["id"]) for winner in self.result["winners"]]

    @property
    def both_agree(self) -> bool:
        """Whether the two independent counts found the same, in the same order."""
        counts = [(self.result, self.recount)]
        counts += [(one["result"], one["recount"]) for one in self.questions]
        return all([w["id"] for w in result["winners"]] == again for result, again in counts)

    @property
    def passed(self) -> list[int]:
        """Primary keys of the questions that were answered with yes."""
        return [int(one["id"]) for one in self.questions if one["recount"] == ["yes"]]


class VetoQuerySet(models.QuerySet["Veto"]):
    def waiting(self) -> "VetoQuerySet":
        """Those that a second steward can still join: they hold up the ratifying."""
        return self.filter(
            seconded_at=None, withdrawn_at=None, moved_at__gt=timezone.now() - Veto.LASTS
        )


class Veto(models.Model):
    """A steward's motion to count a round again without an expert, or to annul it altogether.

    It takes effect when a second steward joins it. Only on a ground of the closed list. Until it is
    joined, withdrawn or has lapsed the result cannot be ratified.
    """

    LASTS = timedelta(days=3)
    """How long one steward's word alone holds up the ratifying."""

    class Ground(models.TextChoices):
        LAW = "law", "it would break a law"
        SAFETY = "safety", "it failed a safety evaluation"
        BUILD = "build", "it cannot be built"
        FRAUD = "fraud", "fraud was proven"

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="vetoes")
    # None: the whole round.
    candidate = models.ForeignKey(
        Candidate, null=True, blank=True, on_delete=models.PROTECT, related_name="vetoes"
    )
    ground = models.CharField(max_length=10, choices=Ground)
    reason = models.TextField(max_length=2000)
    moved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="vetoes_moved"
    )
    moved_at = models.DateTimeField(auto_now_add=True)
    seconded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    seconded_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = VetoQuerySet.as_manager()

    class Meta:
        ordering = ["moved_at", "id"]
        verbose_name_plural = "vetoes"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ground__in=["law", "safety", "build", "fraud"]),
                name="veto_ground_known",
            ),
            models.CheckConstraint(
                condition=~models.Q(moved_by=models.F("seconded_by")), name="veto_two_stewards"
            ),
        ]

    def __str__(self) -> str:
        return f"veto of {self.candidate or self.round}"

    def get_absolute_url(self) -> str:
        return reverse("governance:round_detail", args=[self.round_id])

    @property
    def lapses_at(self) -> datetime:
        return self.moved_at + self.LASTS

    @property
    def is_waiting(self) -> bool:
        """Whether a second steward can still join."""
        return not (self.seconded_at or self.withdrawn_at) and timezone.now() < self.lapses_at
