"""Uploading, describing and publishing datasets."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import Max, Q

from contributions.models import Dataset, DatasetVersion
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User


def _sha256(file: File[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _weighed(file: File[bytes], filename: str) -> str:
    """The file's hash, or Refused where it is too large.

    Before any transaction: reading a large file takes a second, for which others would wait.
    """
    size = file.size or 0
    limit: int = settings.MOSAIC_UPLOAD_LIMIT_BYTES
    if size > limit:
        raise Refused(
            f"{filename} has {size / 2**20:.0f} MiB, more than the {limit / 2**20:.0f} MiB "
            "that one file may have. Split it into parts and add them as several datasets."
        )
    return _sha256(file)


def _add_version(
    dataset: Dataset, file: File[bytes], filename: str, sha256: str, once: uuid.UUID
) -> None:
    """Write the file under its hash and its row. The caller holds the transaction."""
    same = DatasetVersion.objects.filter(sha256=sha256, dataset__owner_id=dataset.owner_id)
    # What was withdrawn may be brought again, under another name.
    brought = same.filter(Q(dataset=dataset) | ~Q(status=DatasetVersion.Status.WITHDRAWN))
    known = brought.select_related("dataset").first()
    if known is not None:
        raise Refused(
            f"{filename} has the same content as {known}, which you brought already. "
            "Use that one, or choose another file."
        )
    newest = dataset.versions.aggregate(newest=Max("number"))["newest"] or 0
    version = DatasetVersion(
        dataset=dataset,
        number=newest + 1,
        filename=filename[:240],
        sha256=sha256,
        size=file.size or 0,
        once=once,
    )
    file.seek(0)
    version.file.save(filename, file, save=False)
    version.save()
    record(
        actor=dataset.owner,
        action="dataset.uploaded",
        subject=version,
        data={"sha256": sha256, "bytes": version.size},
    )
    live.nudge("contributions")


def dataset_upload(
    *,
    owner: User,
    name: str,
    file: File[bytes],
    filename: str,
    once: uuid.UUID | None = None,
) -> Dataset:
    """Start a dataset with its first version: received now, checked by a worker."""
    once = once or uuid.uuid4()
    sha256 = _weighed(file, filename)
    with transaction.atomic():
        existing = Dataset.objects.filter(once=once).first()
        if existing is not None:
            return existing
        if Dataset.objects.filter(owner=owner, name=name).exists():
            raise Refused(
                f"You have a dataset called “{name}” already. "
                "Choose another name, or add a version to that one."
            )
        # Where two clicks race, the second waits here for the first, and finds its row.
        dataset, created = Dataset.objects.get_or_create(
            once=once, defaults={"owner": owner, "name": name}
        )
        if not created:
            return dataset
        _add_version(dataset, file, filename, sha256, once)
    return dataset


def dataset_add_version(
    *, dataset: Dataset, file: File[bytes], filename: str, once: uuid.UUID | None = None
) -> Dataset:
    """Add the next version. The earlier ones stay as they are."""
    once = once or uuid.uuid4()
    sha256 = _weighed(file, filename)
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if not dataset.versions.filter(once=once).exists():
            _add_version(dataset, file, filename, sha256, once)
    return dataset


def dataset_describe(
    *,
    dataset: Dataset,
    licence: str,
    summary: str,
    origin: str,
    limits: str,
    credit: str = "",
    languages: Sequence[str] = (),
    tasks: Sequence[str] = (),
    tags: Sequence[str] = (),
) -> Dataset:
    """Write the card: licence, what it is, where it comes from, what it does not cover."""
    card = {
        "licence": licence,
        "summary": summary,
        "origin": origin,
        "limits": limits,
        "credit": credit,
        "languages": list(languages),
        "tasks": list(tasks),
        "tags": list(tags),
    }
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if licence != dataset.licence and dataset.versions.filter(experts__isnull=False).exists():
            raise Refused(
                "Experts were submitted under this dataset's licence, so it cannot be changed. "
                "Bring the data again as a new dataset under the other licence."
            )
        if all(getattr(dataset, name) == value for name, value in card.items()):
            return dataset  # a second click: nothing to record
        for name, value in card.items():
            setattr(dataset, name, value)
        dataset.save(update_fields=list(card))
        record(
            actor=dataset.owner,
            action="dataset.described",
            subject=dataset,
            data={"licence": licence},
        )
    return dataset


def dataset_publish(*, dataset: Dataset) -> Dataset:
    """Let everybody see the card, and the preview and report of each version that is cleared."""
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.is_public:
            raise Refused("This dataset is public already.")
        if not dataset.versions.standing().exists():
            raise Refused("All of it is withdrawn. Add a new version before you publish it.")
        if dataset.missing_for_training:
            lacks = ", and ".join(dataset.missing_for_training)
            raise Refused(f"Before you publish it, give it {lacks}.")
        if not dataset.versions.cleared().exists():
            raise Refused(
                "Personal data was found in it. Answer for it on the version's page, or make a "
                "masked version there, before you publish it."
            )
        dataset.is_public = True
        dataset.save(update_fields=["is_public"])
        record(actor=dataset.owner, action="dataset.published", subject=dataset)
    return dataset
