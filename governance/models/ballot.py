import json
import uuid

from django.db import models

from governance.models.round import Round


class BoxHead(models.Model):
    """The end of a round's chain: one row, locked by whoever appends to the box."""

    round = models.OneToOneField(
        Round, on_delete=models.CASCADE, related_name="box", primary_key=True
    )
    # How many entries the chain has, and the hash of the last.
    length = models.PositiveIntegerField(default=0)
    hash = models.CharField(max_length=64)
    # Whether an open round shows its chain and its turnout in batches: where ballots may come to be
    # published, so that nobody who watches can tell from the minute of a vote which is whose.
    batched = models.BooleanField(default=False)
    # The chain and the turnout as they were at the end of the last batch, and the full hour at
    # which that was last looked at.
    shown_length = models.PositiveIntegerField(default=0)
    shown_hash = models.CharField(max_length=64, blank=True)
    shown_voters = models.PositiveIntegerField(default=0)
    looked_at = models.DateTimeField(null=True)

    @property
    def is_held_back(self) -> bool:
        """Whether what was cast since the last batch is not shown yet."""
        return self.batched and self.round.status == Round.Status.OPEN

    @property
    def public_length(self) -> int:
        return self.shown_length if self.is_held_back else self.length

    @property
    def public_hash(self) -> str:
        return self.shown_hash if self.is_held_back else self.hash

    def __str__(self) -> str:
        return f"{self.length}:{self.hash[:12]}"


class BoxEntry(models.Model):
    """One link of a round's chain. It is public with its batch, and says nothing of what was voted.

    `hash` is `ballot_box.link` over the other fields. The database refuses to change or delete it.
    """

    class Kind(models.TextChoices):
        SETUP = "setup", "setup"
        CAST = "cast", "cast"
        CLOSE = "close", "close"
        RESULT = "result", "result"

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="box_entries")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=6, choices=Kind)
    # Canonical JSON. A cast holds the voter's pseudonym and the receipt; no time, no address.
    payload = models.TextField()
    # The receipt again, to be found by; empty for other kinds.
    receipt = models.CharField(max_length=64, blank=True, db_index=True)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["round", "position"]
        constraints = [
            models.UniqueConstraint(fields=["round", "position"], name="box_position_once")
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.kind}"

    def line(self) -> dict[str, object]:
        """As it is exported, one JSON object a line."""
        return {
            "position": self.position,
            "kind": self.kind,
            "payload": self.payload,
            "previous": self.previous,
            "hash": self.hash,
        }


class Ballot(models.Model):
    """What one pseudonym's ballot says, as last cast: an opening, published after the close.

    Its key is random and it knows no member and no time, so that nothing but the round's key can
    tell whose it is.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # The unique constraint below is its index.
    round = models.ForeignKey(
        Round, on_delete=models.PROTECT, related_name="ballots", db_index=False
    )
    voter = models.CharField(max_length=64)
    nonce = models.CharField(max_length=64)
    # `ballot_box.ballot_text`
    content = models.TextField()
    receipt = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["receipt"]
        constraints = [
            models.UniqueConstraint(fields=["round", "voter"], name="ballot_once_per_round")
        ]

    def __str__(self) -> str:
        return f"ballot {self.receipt[:12]}"

    @property
    def approvals(self) -> frozenset[int]:
        """The keys of the candidates approved."""
        return frozenset(int(one) for one in json.loads(self.content)["approve"])

    @property
    def answers(self) -> dict[int, str]:
        """ "yes", "no" or "abstain", by the key of the question."""
        return {int(one): said for one, said in json.loads(self.content)["answers"].items()}
