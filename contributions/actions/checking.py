"""Checking dataset versions: by a worker, once at a time, and never silently without an end."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Case, When
from django.utils import timezone

from contributions.actions.personal_data import make_masked_copies
from contributions.comparison import Comparison, Shared, told
from contributions.intake import Finding, Report
from contributions.models import Base, DatasetVersion, Probe
from contributions.models.dataset import DATASET_VERSION_LIFECYCLE
from mosaic_site import clock, live
from mosaic_site.errors import Refused, disk_is_full
from mosaic_site.files import file_at_hand
from mosaic_site.ledger.chain import record
from mosaic_site.pulse import Pulse

logger = logging.getLogger(__name__)

CHECK_TIMEOUT = timedelta(minutes=1)
PULSE_SECONDS = 10.0
CHECK_ATTEMPTS = 3
SIGN_OF_LIFE = timedelta(seconds=1)


def version_check(*, version_id: int) -> None:
    """Check one received version and write its report, its normalised rows and its index.

    Does nothing where another worker has taken it up. However the check ends, the version does
    not stay in `checking`: what broke off is received again, and invalid the third time.
    """
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version_id)
        if version.status != DatasetVersion.Status.RECEIVED:
            return
        version.status = DatasetVersion.Status.CHECKING
        version.checking_since, version.checked_bytes = clock.now(), 0
        version.check_attempts += 1
        version.save()
        live.announce(f"version.{version_id}")
    try:
        alive = Pulse(partial(_still_here, version), every=PULSE_SECONDS)
        with alive, TemporaryDirectory() as scratch:
            _check(version, Path(scratch))
    except OSError as error:
        logger.exception("the check of version %s broke off", version_id)
        if disk_is_full(error):
            _wait_for_room(version_id, version.check_attempts)
    finally:
        _give_back(version_id, version.check_attempts)


def _check(version: DatasetVersion, scratch: Path) -> None:
    """Read the file beside all transactions, then write what was found. Raises OSError."""
    from contributions.intake import check, sample  # heavy, for workers only
    from contributions.tokens import token_counter

    upload = file_at_hand(str(version.file.name), version.sha256)
    version.mapping = version.mapping or _said_before(version, sample(upload).columns)
    base = Base.objects.filter(active=True).first()
    count_tokens = token_counter(base) if base else None
    version.tokens_of = base.name if base and count_tokens else ""
    rows, index = scratch / "rows.jsonl", scratch / "index"
    sealed = Probe.objects.filter(part=Probe.Part.SEALED)
    report = check(
        upload,
        rows_out=rows,
        filename=version.filename,
        mapping=version.mapping or None,
        known_probes=list(Probe.objects.open().values_list("prompt", "answer")),
        sealed_probes=list(sealed.values_list("prompt", "answer")),
        others=_indices(version),
        index_out=index,
        count_tokens=count_tokens,
        on_progress=partial(_still_checking, version),
    )
    _conclude(version, report, rows, index)


def _said_before(version: DatasetVersion, columns: list[str]) -> dict[str, Any]:
    """The mapping that the owner gave for the same columns: for this dataset, else for another."""
    mapped = DatasetVersion.objects.filter(
        dataset__owner_id=version.dataset.owner_id,
        status=DatasetVersion.Status.VALID,
        report_data__columns=columns,
    ).exclude(mapping={})
    here_first = Case(When(dataset_id=version.dataset_id, then=0), default=1)
    mapping: dict[str, Any] | None = (
        mapped.order_by(here_first, "-id").values_list("mapping", flat=True).first()
    )
    return mapping or {}


def _indices(version: DatasetVersion) -> dict[str, Path]:
    found = {}
    for other in _compared_with(version):
        with suppress(FileNotFoundError):  # erased in this moment
            found[str(other.pk)] = file_at_hand(str(other.index_file.name))
    return found


def _compared_with(version: DatasetVersion) -> list[DatasetVersion]:
    """The newest checked version of every other dataset, of which the index is still there."""
    indexed = DatasetVersion.objects.exclude(index_file="").exclude(dataset_id=version.dataset_id)
    indexed = indexed.select_related("dataset").only("dataset__owner_id", "index_file")
    newest: dict[int, DatasetVersion] = {}
    for other in indexed.order_by("dataset_id", "-number"):
        newest.setdefault(other.dataset_id, other)
    return [
        other for other in newest.values() if default_storage.exists(str(other.index_file.name))
    ]


def _still_here(version: DatasetVersion) -> None:
    """A sign of life, so that nobody takes a long check for a lost one."""
    DatasetVersion.objects.filter(pk=version.pk, check_attempts=version.check_attempts).update(
        checking_since=clock.now()
    )


def _still_checking(version: DatasetVersion, done: int, size: int) -> None:
    """How far it is, every second."""
    now = clock.now()
    if version.checking_since is None or now - version.checking_since > SIGN_OF_LIFE:
        version.checking_since, version.checked_bytes = now, done
        DatasetVersion.objects.filter(pk=version.pk, check_attempts=version.check_attempts).update(
            checking_since=now, checked_bytes=done
        )


def _conclude(checked: DatasetVersion, report: Report, rows: Path, index: Path) -> None:
    """Write what the check found, unless another worker has taken the version over."""
    # A name of this check's own: another worker may have taken the version over.
    stem = f"datasets/{checked.sha256[:2]}/{checked.sha256}-{uuid.uuid4().hex}"
    stored = {}
    if report.ok:
        stored = {"rows_file": f"{stem}.rows.jsonl", "index_file": f"{stem}.index"}
    with ExitStack() as opened:
        for (field, name), path in zip(stored.items(), (rows, index), strict=False):
            stream = opened.enter_context(path.open("rb"))
            stored[field] = default_storage.save(name, File(stream))
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=checked.pk)
        if (version.status, version.check_attempts) == (checked.status, checked.check_attempts):
            version.mapping, version.tokens_of = checked.mapping, checked.tokens_of
            _judge(version, report)
            for field, name in stored.items():
                setattr(version, field, name)
            version.save()
            return
    for name in stored.values():
        default_storage.delete(name)


def _judge(version: DatasetVersion, report: Report) -> None:
    """Valid, invalid or unmapped. The caller holds the row's lock and saves it."""
    target, action = DatasetVersion.Status.INVALID, "dataset.rejected"
    if report.ok:
        target, action = DatasetVersion.Status.VALID, "dataset.checked"
    elif report.needs_mapping:
        target, action = DatasetVersion.Status.UNMAPPED, "dataset.unmapped"
    DATASET_VERSION_LIFECYCLE.require(version.status, target)
    comparison, report = _compared(version, report)
    version.status, version.report_data = target, report.to_dict()
    version.comparison_data = comparison.to_dict()
    version.rows = report.rows if report.ok else 0
    version.personal_found = sum(report.personal.values())
    record(
        actor=None,
        action=action,
        subject=version,
        data={"rows": report.rows, "counts": report.counts},
    )
    live.announce(f"version.{version.pk}")


def _compared(version: DatasetVersion, report: Report) -> tuple[Comparison, Report]:
    """What is told of other datasets and of sealed probes, and the report without the numbers."""
    ids = [int(name) for name in report.others]
    owner_id = version.dataset.owner_id
    mine = set(
        DatasetVersion.objects.filter(pk__in=ids, dataset__owner_id=owner_id).values_list(
            "pk", flat=True
        )
    )
    shared = [Shared(int(name), **counts) for name, counts in report.others.items()]
    foreign = [one for one in shared if one.version_id not in mine]
    read = report.counts.get("rows_read", 0)
    comparison = Comparison(
        own=[one for one in shared if one.version_id in mine and (one.exact or one.near)],
        others_exact=told(sum(one.exact for one in foreign), read),
        others_near=told(sum(one.near for one in foreign), read),
        sealed=told(report.counts.get("sealed_probe_rows", 0), read),
    )
    counts = {name: n for name, n in report.counts.items() if name != "sealed_probe_rows"}
    return comparison, replace(report, counts=counts, others={})


def _wait_for_room(version_id: int, attempt: int) -> None:
    """The worker's disk is full: that is no fault of the file, so it does not count."""
    DatasetVersion.objects.filter(
        pk=version_id, status=DatasetVersion.Status.CHECKING, check_attempts=attempt
    ).update(
        status=DatasetVersion.Status.RECEIVED,
        received_at=timezone.now(),
        check_attempts=attempt - 1,
    )


def _give_back(version_id: int, attempt: int, *, lost: bool = False) -> None:
    """Let a check that broke off be taken up again, or say after the third time that it cannot.

    `lost`: its worker fell silent, and `reconcile` found it.
    """
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version_id)
        if (version.status, version.check_attempts) != (DatasetVersion.Status.CHECKING, attempt):
            return
        if version.check_attempts < CHECK_ATTEMPTS:
            version.status = DatasetVersion.Status.RECEIVED
            version.received_at = timezone.now()
            if lost:
                reason = "The worker that checked it fell silent; it is checked again."
                record(actor=None, action="dataset.requeued", subject=version, reason=reason)
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
        _receive_again(version)
        record(actor=version.dataset.owner, action="dataset.recheck_asked", subject=version)
    return version


def version_map(*, version: DatasetVersion, mapping: Mapping[str, Any]) -> DatasetVersion:
    """Say which column is what; the check goes on with that, and so do those of like files."""
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if not version.can_be_mapped:
            raise Refused(
                "The columns of this version are settled. Add a new version to change it."
            )
        version.mapping = dict(mapping)
        _receive_again(version)
        record(
            actor=version.dataset.owner,
            action="dataset.mapped",
            subject=version,
            data={"mapping": version.mapping},
        )
    return version


def _receive_again(version: DatasetVersion) -> None:
    """Let a locked version wait for another check."""
    DATASET_VERSION_LIFECYCLE.require(version.status, DatasetVersion.Status.RECEIVED)
    version.status, version.report_data = DatasetVersion.Status.RECEIVED, {}
    version.check_attempts, version.received_at = 0, timezone.now()
    version.save()
    live.nudge("contributions", "check")


def reconcile() -> None:
    """Check whatever waits, mask what is to be masked, and take up what a lost worker left."""
    lost = DatasetVersion.objects.filter(
        status=DatasetVersion.Status.CHECKING, checking_since__lt=clock.now() - CHECK_TIMEOUT
    )
    for version_id, attempt in lost.values_list("pk", "check_attempts"):
        _give_back(version_id, attempt, lost=True)
    make_masked_copies()
    for version_id in DatasetVersion.objects.in_queue_order().values_list("pk", flat=True):
        version_check(version_id=version_id)
