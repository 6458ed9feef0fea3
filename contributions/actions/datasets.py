"""Uploading, checking and describing datasets."""

import hashlib
import uuid
from datetime import timedelta
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.files.temp import NamedTemporaryFile
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from contributions.intake import check
from contributions.models import Dataset, DatasetVersion, Probe
from contributions.models.dataset import DATASET_VERSION_LIFECYCLE
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User

CHECK_TIMEOUT = timedelta(minutes=2)
CHECK_ATTEMPTS = 3


def _sha256(file: File[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _add_version(dataset: Dataset, file: File[bytes], filename: str, once: uuid.UUID) -> None:
    """Write the file under its hash and its row. The caller holds the transaction."""
    size = file.size or 0
    limit: int = settings.MOSAIC_UPLOAD_LIMIT_BYTES
    if size > limit:
        raise Refused(
            f"{filename} has {size / 2**20:.0f} MiB, more than the {limit / 2**20:.0f} MiB "
            "that one file may have. Split it into parts and add them as several datasets."
        )
    sha256 = _sha256(file)
    same = DatasetVersion.objects.filter(sha256=sha256, dataset__owner_id=dataset.owner_id)
    known = same.select_related("dataset").first()
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
        size=size,
        once=once,
    )
    file.seek(0)
    version.file.save(filename, file, save=False)
    version.save()
    record(
        actor=dataset.owner,
        action="dataset.uploaded",
        subject=version,
        data={"sha256": sha256, "bytes": size},
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
    with transaction.atomic():
        existing = Dataset.objects.filter(once=once).first()
        if existing is not None:
            return existing
        if Dataset.objects.filter(owner=owner, name=name).exists():
            raise Refused(
                f"You have a dataset called “{name}” already. "
                "Choose another name, or add a version to that one."
            )
        dataset = Dataset.objects.create(owner=owner, name=name, once=once)
        _add_version(dataset, file, filename, once)
    return dataset


def dataset_add_version(
    *, dataset: Dataset, file: File[bytes], filename: str, once: uuid.UUID | None = None
) -> Dataset:
    """Add the next version. The earlier ones stay as they are."""
    once = once or uuid.uuid4()
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if not dataset.versions.filter(once=once).exists():
            _add_version(dataset, file, filename, once)
    return dataset


def dataset_describe(
    *, dataset: Dataset, licence: str, summary: str, origin: str, limits: str
) -> Dataset:
    """Write the card: licence, what it is, where it comes from, what it does not cover."""
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if licence != dataset.licence and dataset.versions.filter(experts__isnull=False).exists():
            raise Refused(
                "Experts were submitted under this dataset's licence, so it cannot be changed. "
                "Bring the data again as a new dataset under the other licence."
            )
        dataset.licence, dataset.summary = licence, summary
        dataset.origin, dataset.limits = origin, limits
        dataset.save(update_fields=["licence", "summary", "origin", "limits"])
        record(
            actor=dataset.owner,
            action="dataset.described",
            subject=dataset,
            data={"licence": licence},
        )
    return dataset


def dataset_publish(*, dataset: Dataset) -> Dataset:
    """Let everybody see the card, the preview and the report."""
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=dataset.pk)
        if dataset.is_public:
            raise Refused("This dataset is public already.")
        if dataset.missing_for_training:
            raise Refused("Before you publish it, give it " + ", and ".join(
                dataset.missing_for_training) + ".")
        dataset.is_public = True
        dataset.save(update_fields=["is_public"])
        record(actor=dataset.owner, action="dataset.published", subject=dataset)
    return dataset


def version_check(*, version_id: int) -> None:
    """Check one received version and write its report and its normalised rows.

    Does nothing where another worker has taken it up.
    """
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version_id)
        if version.status != DatasetVersion.Status.RECEIVED:
            return
        version.status = DatasetVersion.Status.CHECKING
        version.checking_since = timezone.now()
        version.check_attempts += 1
        version.save(update_fields=["status", "checking_since", "check_attempts"])
        live.announce(f"version.{version_id}")

    probes = list(Probe.objects.values_list("prompt", "answer"))
    with NamedTemporaryFile(suffix=".jsonl") as rows, NamedTemporaryFile() as local:
        with version.file.open("rb") as upload:
            for chunk in upload.chunks():
                local.write(chunk)
        local.flush()
        report = check(
            Path(local.name),
            rows_out=Path(rows.name),
            filename=version.filename,
            known_probes=probes,
        )
        with transaction.atomic():
            version = DatasetVersion.objects.select_for_update().get(pk=version_id)
            target = "valid" if report.ok else "invalid"
            DATASET_VERSION_LIFECYCLE.require(version.status, target)
            version.status = target
            version.report_data = report.to_dict()
            version.rows = report.rows if report.ok else 0
            if report.ok:
                name = f"datasets/{version.sha256[:2]}/{version.sha256}-{version.pk}.rows.jsonl"
                with open(rows.name, "rb") as stream:
                    version.rows_file.name = default_storage.save(name, File(stream))
            version.save()
            record(
                actor=None,
                action="dataset.checked" if report.ok else "dataset.rejected",
                subject=version,
                data={"rows": report.rows, "counts": report.counts},
            )
            live.announce(f"version.{version_id}")


def reconcile() -> None:
    """Check whatever waits, and take up again what a lost worker left half-checked."""
    stale = timezone.now() - CHECK_TIMEOUT
    with transaction.atomic():
        for version in DatasetVersion.objects.select_for_update().filter(
            status=DatasetVersion.Status.CHECKING, checking_since__lt=stale
        ):
            version.status = DatasetVersion.Status.RECEIVED
            version.save(update_fields=["status"])
    waiting = DatasetVersion.objects.filter(
        status=DatasetVersion.Status.RECEIVED, check_attempts__lt=CHECK_ATTEMPTS
    )
    for version_id in waiting.order_by("created_at", "id").values_list("pk", flat=True):
        version_check(version_id=version_id)
