"""Uploading, describing and publishing datasets."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Max, Q

from contributions.actions.storing import Source, store
from contributions.allowance import Allowance, allowance_of
from contributions.models import Dataset, DatasetVersion, Upload
from contributions.models.dataset import upload_path
from mosaic_site import live
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User


@contextmanager
def received(sources: Iterable[Source], filename: str, once: uuid.UUID) -> Iterator[DatasetVersion]:
    """A version whose file lies in the storage, for the caller to add; else the file is deleted.

    Outside any transaction: a large file takes seconds, for which others would wait.
    """
    version = DatasetVersion(filename=filename[:240], once=once)
    stored = store(upload_path(version, filename), sources)
    version.file.name, version.sha256, version.size = stored.name, stored.sha256, stored.size
    try:
        yield version
    finally:
        if not DatasetVersion.objects.filter(file=stored.name).exists():
            default_storage.delete(stored.name)


def make_room(owner: User, size: int) -> None:
    """Refused where `size` more bytes are over the owner's quota. Locks the owner's account."""
    User.objects.select_for_update().get(pk=owner.pk)
    _refuse_over_quota(allowance_of(owner), size)


def _refuse_over_quota(allowance: Allowance, size: int) -> None:
    if size > allowance.free:
        raise Refused(
            f"This file has {mib(size)}, and of your {mib(allowance.quota)} only "
            f"{mib(allowance.free)} are free.",
            "Delete an unfinished upload, bring a smaller file, or ask a steward for more.",
        )


def refuse_taken_name(owner: User, name: str) -> None:
    """Refused where a dataset of the owner has this name, or will have it once it has arrived."""
    if Dataset.objects.filter(owner=owner, name=name).exists():
        raise Refused(
            f"You have a dataset called “{name}” already.",
            "Choose another name, or add a version to that one.",
        )
    if Upload.objects.unfinished().filter(owner=owner, name=name).exists():
        raise Refused(
            f"An unfinished upload of yours is called “{name}”.",
            "Go on with that one or delete it, or choose another name.",
        )


def add_version(dataset: Dataset, version: DatasetVersion) -> None:
    """Write the row of what was received. The caller holds the transaction."""
    User.objects.select_for_update().get(pk=dataset.owner_id)
    same = DatasetVersion.objects.filter(sha256=version.sha256, dataset__owner_id=dataset.owner_id)
    # What was withdrawn may be brought again, under another name.
    brought = same.filter(Q(dataset=dataset) | ~Q(status=DatasetVersion.Status.WITHDRAWN))
    known = brought.select_related("dataset").first()
    if known is not None:
        raise Refused(
            f"{version.filename} has the same content as {known}, which you brought already.",
            "Use that one, or choose another file.",
        )
    newest = dataset.versions.aggregate(newest=Max("number"))["newest"] or 0
    version.dataset, version.number = dataset, newest + 1
    version.save()
    record(
        actor=dataset.owner,
        action="dataset.uploaded",
        subject=version,
        data={"sha256": version.sha256, "bytes": version.size},
    )
    live.nudge("contributions", "check")


def _weigh(owner: User, file: File[bytes], filename: str) -> None:
    """Refused where a form may not bring this file: before any of it is written."""
    allowance, size = allowance_of(owner), file.size or 0
    if size > allowance.form:
        raise Refused(
            f"{filename} has {mib(size)}, more than the {mib(allowance.form)} that a form may "
            "bring at once.",
            "Upload it in parts, for which the page needs JavaScript, or split it and add the "
            "pieces as several datasets.",
        )
    _refuse_over_quota(allowance, size)


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
    _weigh(owner, file, filename)
    with received([file], filename, once) as version, transaction.atomic():
        existing = Dataset.objects.filter(once=once).first()
        if existing is not None:
            return existing
        make_room(owner, version.size)
        refuse_taken_name(owner, name)
        # Where two clicks race, the second waits here for the first, and finds its row.
        dataset, created = Dataset.objects.get_or_create(
            once=once, defaults={"owner": owner, "name": name}
        )
        if not created:
            return dataset
        add_version(dataset, version)
    return dataset


def dataset_add_version(
    *, dataset: Dataset, file: File[bytes], filename: str, once: uuid.UUID | None = None
) -> Dataset:
    """Add the next version. The earlier ones stay as they are."""
    _weigh(dataset.owner, file, filename)
    return dataset_take_version(
        dataset=dataset, file=file, filename=filename, once=once or uuid.uuid4()
    )


def dataset_take_version(
    *, dataset: Dataset, file: File[bytes], filename: str, once: uuid.UUID
) -> Dataset:
    """Add the next version from a file of any size that the quota has room for."""
    with received([file], filename, once) as version, transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if not dataset.versions.filter(once=once).exists():
            make_room(dataset.owner, version.size)
            add_version(dataset, version)
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
