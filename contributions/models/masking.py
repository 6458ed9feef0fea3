from django.db import models
from django.utils import timezone

from contributions.models.dataset import TAKEN_UP_WITHIN, DatasetVersion


class MaskedCopy(models.Model):
    """The wish for a copy of a version without its personal data, and the version that it became.

    A worker makes it. `problem` says why it could not; then it can be asked for again.
    """

    source = models.OneToOneField(
        DatasetVersion, on_delete=models.PROTECT, related_name="masked_copy"
    )
    result = models.OneToOneField(
        DatasetVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="masked_from",
    )
    asked_at = models.DateTimeField(default=timezone.now)
    taken_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"Masked copy of {self.source}"

    @property
    def is_under_way(self) -> bool:
        return self.result_id is None and not self.problem

    @property
    def lacks_worker(self) -> bool:
        """Asked for a while ago, and no worker has begun with it or is heard of at other work."""
        is_late = self.asked_at < timezone.now() - TAKEN_UP_WITHIN
        waits = self.is_under_way and self.taken_at is None and is_late
        return waits and not DatasetVersion.objects.worked_on().exists()
