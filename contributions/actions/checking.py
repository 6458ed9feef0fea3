"""Checking dataset versions: by a worker, once at a time, and never silently without an end."""

from __future__ import annotations

import logging
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.files.temp import NamedTemporaryFile
from django.db import transaction
from django.utils import timezone

from contributions.intake import Finding, Report, check
from contributions.models import DatasetVersion, Probe
from contributions.models.dataset import DATASET_VERSION_LIFECYCLE
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record

logger = logging.getLogger(__name__)

CHECK_TIMEOUT = timedelta(minutes=2)
CHECK_ATTEMPTS = 3
SIGN_OF_LIFE = timedelta(seconds=5)


def version_check(*, version_id: int) -> None:
    """Check one received version and write its report and its normalised rows.

    Does nothing where another worker has taken it up. However the check ends, the version does
    not stay in `checking`: what broke off is received again, and invalid the third time.
    """
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version_id)
        if version.status != DatasetVersion.Status.RECEIVED:
            return
        version.status = DatasetVersion.Status.CHECKING
        version.checking_since, version.checked_bytes = timezone.now(), 0
        version.check_attempts += 1
        version.save()
        live.announce(f"version.{version_id}")
    try:
        with NamedTemporaryFile(suffix=".jsonl") as rows, NamedTemporaryFile() as upload:
            with version.file.open("rb") as stored:
                shutil.copyfileobj(stored, upload)
            upload.flush()
            report = check(
                Path(upload.name),
                rows_out=Path(rows.name),
                filename=version.filename,
                # Sealed ones are left out when it is trained on: a report that counted them would
                # tell anybody, file by file, which questions are sealed.
                known_probes=list(Probe.objects.open().values_list("prompt", "answer")),
                on_progress=partial(_still_checking, version),
            )
            with open(rows.name, "rb") as stream:
                _conclude(version, report, File(stream))
    except OSError:
        logger.exception("the check of version %s broke off", version_id)
    finally:
        _give_back(version_id, version.check_attempts)


def _still_checking(version: DatasetVersion, done: int, size: int) -> None:
    """A sign of life every few seconds, so that nobody takes a long check for a lost one."""
    now = timezone.now()
    if version.checking_since is None or now - version.checking_since > SIGN_OF_LIFE:
        version.checking_since, version.checked_bytes = now, done
        DatasetVersion.objects.filter(pk=version.pk, check_attempts=version.check_attempts).update(
            checking_since=now, checked_bytes=done
        )


def _conclude(checked: DatasetVersion, report: Report, rows: File[bytes]) -> None:
    """Write what the check found, unless another worker has taken the version over."""
    name = ""
    if report.ok:
        name = f"datasets/{checked.sha256[:2]}/{checked.sha256}-{checked.pk}.rows.jsonl"
        name = default_storage.save(name, rows)
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=checked.pk)
        if (version.status, version.check_attempts) != (checked.status, checked.check_attempts):
            # Taken over, or withdrawn meanwhile: then nobody else would erase these rows.
            if name:
                default_storage.delete(name)
            return
        _judge(version, report)
        version.rows_file.name = name
        version.save()


def _judge(version: DatasetVersion, report: Report) -> None:
    """Valid or invalid. The caller holds the row's lock and saves it."""
    target = DatasetVersion.Status.VALID if report.ok else DatasetVersion.Status.INVALID
    DATASET_VERSION_LIFECYCLE.require(version.status, target)
    version.status, version.report_data = target, report.to_dict()
    version.rows = report.rows if report.ok else 0
    record(
        actor=None,
        action="dataset.checked" if report.ok else "dataset.rejected",
        subject=version,
        data={"rows": report.rows, "counts": report.counts},
    )
    live.announce(f"version.{version.pk}")


def _give_back(version_id: int, attempt: int) -> None:
    """Let a check that broke off be taken up again, or say after the third time that it cannot."""
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version_id)
        if (version.status, version.check_attempts) != (DatasetVersion.Status.CHECKING, attempt):
            return
        if version.check_attempts < CHECK_ATTEMPTS:
            version.status = DatasetVersion.Status.RECEIVED
        else:
            _judge(version, _broken_off(version))
        version.save()


def _broken_off(version: DatasetVersion) -> Report:
    finding = Finding(
        severity="error",
        row=None,
        column=None,
        problem=f"The check broke off {version.check_attempts} times before it came to its end.",
        expected="a file that can be read to its end",
        remedy="Have it checked again. If it breaks off once more, add a smaller file.",
    )
    return Report(
        format="unknown",
        shape="unknown",
        rows=0,
        findings=[finding],
        counts={"errors": 1, "warnings": 0, "notes": 0, "broken_off": version.check_attempts},
        columns=[],
        labels=[],
        preview=[],
        lengths={},
        sha256=version.sha256,
        size=version.size,
    )


def version_recheck(*, version: DatasetVersion) -> DatasetVersion:
    """Check a version once more whose check broke off; its content was never judged."""
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if not version.check_broke_off:
            raise Refused("This version was checked to its end. Mend the file and add it anew.")
        DATASET_VERSION_LIFECYCLE.require(version.status, DatasetVersion.Status.RECEIVED)
        version.status, version.report_data = DatasetVersion.Status.RECEIVED, {}
        version.check_attempts = 0
        version.save()
        record(actor=version.dataset.owner, action="dataset.recheck_asked", subject=version)
        live.nudge("contributions")
    return version


def reconcile() -> None:
    """Check whatever waits, and take up again what a lost worker left half-checked."""
    lost = DatasetVersion.objects.filter(
        status=DatasetVersion.Status.CHECKING, checking_since__lt=timezone.now() - CHECK_TIMEOUT
    )
    for version_id, attempt in lost.values_list("pk", "check_attempts"):
        _give_back(version_id, attempt)
    waiting = DatasetVersion.objects.filter(status=DatasetVersion.Status.RECEIVED)
    for version_id in waiting.order_by("created_at", "id").values_list("pk", flat=True):
        version_check(version_id=version_id)
