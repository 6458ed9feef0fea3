from django.db import models
from django.urls import reverse

from governance.models.round import Round


class Decision(models.Model):
    """The result of a tally: who joined, what it cost and why, as `governance.tally` tells it.

    `voters[i]` names whose ballot the i-th entry of the result's spending is; it is shown only
    to that person.
    """

    round = models.OneToOneField(Round, on_delete=models.PROTECT, related_name="decision")
    result = models.JSONField()
    voters = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"decision of {self.round}"

    def get_absolute_url(self) -> str:
        return reverse("governance:round_detail", args=[self.round_id])

    @property
    def winner_ids(self) -> list[int]:
        """Primary keys of the winning candidates, in the order in which they were chosen."""
        return [int(winner["id"]) for winner in self.result["winners"]]
