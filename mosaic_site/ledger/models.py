import hashlib
from typing import Any

from django.conf import settings
from django.db import models

from mosaic_site.members.models import LEFT

THE_SITE = "the site"


def seal(salt: str, name: str) -> str:
    """What stands for a member's name in the chain, so that the name itself can be forgotten."""
    return hashlib.sha256(f"{salt}:{name}".encode()).hexdigest()


class Entry(models.Model):
    """One link: what was done to what, by whom and why, and the hash of the link before it.

    `hash` = SHA-256 over the canonical JSON of `body()`, which holds `previous`. Of a member it
    covers the seal, not the name: with the salt and the name gone the chain is as whole as before.
    """

    sequence = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_name = models.CharField(max_length=160)
    # Empty where the site acts or no member is spoken of, and in entries from before there were
    # seals: their names are in the hash itself.
    actor_salt = models.CharField(max_length=32, blank=True)
    actor_seal = models.CharField(max_length=64, blank=True)
    subject_salt = models.CharField(max_length=32, blank=True)
    subject_seal = models.CharField(max_length=64, blank=True)
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

    @property
    def who(self) -> str:
        """How pages call the actor."""
        return self.actor_name if self.actor_id or self.actor_name == THE_SITE else LEFT

    @property
    def seals_hold(self) -> bool:
        """Whether the names that are shown are those that were sealed, or were forgotten."""
        names = [
            (self.actor_seal, self.actor_salt, self.actor_name),
            (self.subject_seal, self.subject_salt, self.subject_name),
        ]
        return all(sealed in ("", seal(salt, name)) or name == LEFT for sealed, salt, name in names)

    def body(self) -> dict[str, Any]:
        """What the hash covers. The account's id is not in it: a deleted account breaks nothing."""
        return {
            "sequence": self.sequence,
            "at": self.at.isoformat(),
            "actor": self.actor_seal or self.actor_name,
            "action": self.action,
            "subject": [
                self.subject_kind,
                self.subject_id,
                self.subject_seal or self.subject_name,
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
