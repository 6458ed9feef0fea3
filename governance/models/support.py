from django.conf import settings
from django.db import models

from contributions.models import Priority


class PriorityVote(models.Model):
    """What a member thinks of a priority, as last said. How many agree is public, who is not."""

    class Value(models.TextChoices):
        AGREE = "agree", "agree"
        DISAGREE = "disagree", "disagree"
        PASS = "pass", "pass"

    priority = models.ForeignKey(Priority, on_delete=models.CASCADE, related_name="votes")
    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="priority_votes"
    )
    value = models.CharField(max_length=10, choices=Value)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["priority", "member"], name="priority_vote_once"),
            models.CheckConstraint(
                condition=models.Q(value__in=["agree", "disagree", "pass"]),
                name="priority_vote_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.value}: {self.priority}"
