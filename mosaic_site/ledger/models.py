from typing import Any

from django.conf import settings
from django.db import models


class Entry(models.Model):
    """One link: what was done to what, by whom and why, and the hash of the link before it.

    `hash` = SHA-256 over the canonical JSON of `body()`, which holds `previous`.
    """

    sequence = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=160)
    action = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    subject_name = models.CharField(max_length=240)
    subject_url = models.CharField(max_length=240, blank=True)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-sequence"]
        indexes = [models.Index(fields=["subject_kind", "subject_id"])]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action} {self.subject_name}"

    def body(self) -> dict[str, Any]:
        """What the hash covers. The account's id is not in it: a deleted account breaks nothing."""
        return {
            "sequence": self.sequence,
            "at": self.at.isoformat(),
            "actor": self.actor_name,
            "action": self.action,
            "subject": [
                self.subject_kind,
                self.subject_id,
                self.subject_name,
                self.subject_url,
            ],
            "reason": self.reason,
            "data": self.data,
            "previous": self.previous,
        }


class Head(models.Model):
    """The chain's end: one row, locked by whoever appends."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    sequence = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="0" * 64)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="ledger_one_head")]

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash[:12]}"
