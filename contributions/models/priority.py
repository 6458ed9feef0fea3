import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse

from contributions.evaluation_tasks.moco import EXACT_MATCH, F1_MATCH, MULTIPLE_CHOICE, TASK_TYPES


class PriorityQuerySet(models.QuerySet["Priority"]):
    def open(self) -> "PriorityQuerySet":
        return self.filter(status=Priority.Status.OPEN)

    def retired(self) -> "PriorityQuerySet":
        return self.filter(status=Priority.Status.RETIRED)

    def with_counts(self) -> "PriorityQuerySet":
        """Adds `probe_count`, `expert_count`."""
        return self.annotate(probe_count=_count("probes"), expert_count=_count("experts"))


def _count(relation: str) -> Coalesce:
    """How many rows of `relation` a priority has.

    A subquery each: both counts in one join would walk probes x experts.
    """
    one = Priority.objects.filter(pk=models.OuterRef("pk")).order_by().values("pk")
    return Coalesce(models.Subquery(one.annotate(n=models.Count(relation)).values("n")), 0)


class Priority(models.Model):
    """A need that a member states in a sentence, with probes that show whether it is met."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        RETIRED = "retired", "retired"

    class TaskType(models.TextChoices):
        """How answers are scored; the names are those of `contributions.evaluation_tasks.moco`."""

        EXACT_MATCH = EXACT_MATCH, "exact match"
        F1_MATCH = F1_MATCH, "shared words (F1)"
        MULTIPLE_CHOICE = MULTIPLE_CHOICE, "multiple choice"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="priorities"
    )
    statement = models.CharField(max_length=200)
    why = models.TextField(blank=True, max_length=2000)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    task_type = models.CharField(
        max_length=20, choices=TaskType, default=TaskType.EXACT_MATCH, editable=False
    )
    # The one that says the same, if it was retired for that; its experts and probes stay here.
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    # The form's own number: a second click finds the first one's row.
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = PriorityQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "priorities"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=["open", "retired"]), name="priority_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(merged_into=None)
                | (models.Q(status="retired") & ~models.Q(merged_into=models.F("pk"))),
                name="priority_merged_is_retired",
            ),
            models.CheckConstraint(
                condition=models.Q(task_type__in=TASK_TYPES), name="priority_task_type_known"
            ),
        ]

    def __str__(self) -> str:
        return self.statement

    def get_absolute_url(self) -> str:
        return reverse("contributions:priority_detail", args=[self.pk])

    @property
    def split_seed(self) -> int:
        """The seed of the lot that parted its probes."""
        return self.once.int


class ProbeQuerySet(models.QuerySet["Probe"]):
    def open(self) -> "ProbeQuerySet":
        """What may be shown: everything but the sealed ones."""
        return self.exclude(part=Probe.Part.SEALED)

    def per_part(self) -> dict[str, int]:
        """How many each part has, in the order fit, select, sealed."""
        counted = self.order_by().values_list("part").annotate(n=models.Count("pk"))
        found = dict(counted)
        return {part: found.get(part, 0) for part in Probe.Part.values}


class Probe(models.Model):
    """One held-out example of a priority: a prompt and the answer that would satisfy.

    `other_answers` are right as well: other wordings, or the text of the choice whose letter
    `answer` names. `part`: strategies are tuned on *fit*, compared on *select*; *sealed* is scored
    once a release and shown to nobody.
    """

    class Part(models.TextChoices):
        FIT = "fit", "fit"
        SELECT = "select", "select"
        SEALED = "sealed", "sealed"

    priority = models.ForeignKey(Priority, on_delete=models.CASCADE, related_name="probes")
    position = models.PositiveIntegerField()
    prompt = models.TextField()
    answer = models.TextField()
    other_answers = models.JSONField(default=list, blank=True)
    part = models.CharField(max_length=10, choices=Part)

    objects = ProbeQuerySet.as_manager()

    class Meta:
        ordering = ["priority", "position"]
        constraints = [
            models.UniqueConstraint(fields=["priority", "position"], name="probe_position_once"),
            models.CheckConstraint(
                condition=models.Q(part__in=["fit", "select", "sealed"]), name="probe_part_known"
            ),
        ]

    def __str__(self) -> str:
        return self.prompt[:80]

    @property
    def answers(self) -> list[str]:
        return [self.answer, *self.other_answers]
