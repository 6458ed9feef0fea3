from django.conf import settings
from django.db import models

from governance.models.round import Candidate, Round


class Ballot(models.Model):
    """The approvals of one member in one round, as last cast. Only its owner ever sees it."""

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="ballots")
    voter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="ballots"
    )
    approvals = models.ManyToManyField(Candidate, related_name="approvals", blank=True)
    cast_at = models.DateTimeField()
    # 1 for the first cast, one more for each change.
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["round", "voter"], name="ballot_once_per_round")
        ]

    def __str__(self) -> str:
        return f"ballot {self.pk}"
