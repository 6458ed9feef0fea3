import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce
from django.urls import reverse

from governance.models.moderation import Moderated
from governance.models.round import Candidate, Round


class SlateQuerySet(models.QuerySet["Slate"]):
    def with_counts(self) -> "SlateQuerySet":
        """Adds `approval_count`, and `cost_bytes` of all that are approved."""
        return self.annotate(
            approval_count=models.Count("approvals"),
            cost_bytes=Coalesce(models.Sum("approvals__cost_bytes"), 0),
        )


class Slate(Moderated):
    """A ballot that a member recommends in public. Others start from it; it casts nothing."""

    noun = "slate"

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="slates")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="slates"
    )
    title = models.CharField(max_length=120)
    why = models.TextField(max_length=4000, blank=True)
    approvals = models.ManyToManyField(Candidate, related_name="slates", blank=True)
    # "yes", "no" or "abstain", by the key of the question.
    answers = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    once = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)

    objects = SlateQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["round", "author"], name="slate_once_per_author")
        ]

    def __str__(self) -> str:
        return f"Hidden slate {self.pk}" if self.removed_at else self.title

    def get_absolute_url(self) -> str:
        return reverse("governance:slate_detail", args=[self.pk])

    @property
    def about(self) -> str:
        return f"recommended ballot “{self}”"

    @property
    def said(self) -> str:
        return f"{self.title}\n\n{self.why}"
