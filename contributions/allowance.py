"""How much a member may bring, and how much of that is taken."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Sum

from contributions.models import DatasetVersion, Upload
from mosaic_site.members.models import User


@dataclass(frozen=True)
class Allowance:
    """In bytes; `used` counts what is reserved by uploads that are not finished."""

    file: int  # one file, in parts
    form: int  # one file, sent whole by a form
    quota: int  # all files of a member
    used: int
    most_open: int  # unfinished uploads of a member
    open: int

    @property
    def free(self) -> int:
        return max(0, self.quota - self.used)


def allowance_of(member: User) -> Allowance:
    stored = DatasetVersion.objects.filter(dataset__owner=member).exclude(file="")
    reserved = Upload.objects.unfinished().filter(owner=member)
    return Allowance(
        file=settings.MOSAIC_FILE_LIMIT_BYTES,
        form=settings.MOSAIC_UPLOAD_LIMIT_BYTES,
        quota=settings.MOSAIC_QUOTA_BYTES,
        used=sum(each.aggregate(bytes=Sum("size"))["bytes"] or 0 for each in (stored, reserved)),
        most_open=settings.MOSAIC_OPEN_UPLOADS,
        open=reserved.count(),
    )
