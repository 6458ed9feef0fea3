"""What an owner does about personal data that a check found: answer for it, or mask it."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from django.core.files.base import File
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from contributions.actions.datasets import dataset_take_version
from contributions.models import DatasetVersion, MaskedCopy
from mosaic_site import clock, live
from mosaic_site.errors import Refused
from mosaic_site.files import file_at_hand
from mosaic_site.ledger.chain import record
from mosaic_site.pulse import Pulse

logger = logging.getLogger(__name__)

# Longer than any masking takes: a worker that has not ended by then was lost.
MASKING_TIMEOUT = timedelta(minutes=1)
PULSE_SECONDS = 10.0


def version_acknowledge(*, version: DatasetVersion, reason: str) -> DatasetVersion:
    """The owner answers for what looks like personal data: it may be trained on and published."""
    if not reason.strip():
        raise Refused("Say why it may stay in: what was found, and who agreed.")
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if version.status != DatasetVersion.Status.VALID or version.is_cleared:
            raise Refused("There is nothing to answer for in this version.")
        version.acknowledged_at, version.acknowledged_reason = timezone.now(), reason
        version.save(update_fields=["acknowledged_at", "acknowledged_reason"])
        record(
            actor=version.dataset.owner,
            action="dataset.acknowledged",
            subject=version,
            reason=reason,
            data={"found": version.report_data.get("personal", {})},
        )
        live.announce(f"version.{version.pk}")
    return version


def version_mask(*, version: DatasetVersion) -> MaskedCopy:
    """Ask for the next version of the dataset: this one without its personal data."""
    with transaction.atomic():
        version = DatasetVersion.objects.select_for_update().get(pk=version.pk)
        if version.status != DatasetVersion.Status.VALID or not version.personal_found:
            raise Refused("Nothing personal was found in this version, so nothing can be masked.")
        copy, created = MaskedCopy.objects.get_or_create(source=version)
        if not created and not copy.problem:
            raise Refused("A masked version was asked for already.")
        copy.problem, copy.taken_at, copy.asked_at = "", None, timezone.now()
        copy.save()
        record(actor=version.dataset.owner, action="dataset.mask_asked", subject=version)
        live.nudge("contributions", "check")
    return copy


def make_masked_copies() -> None:
    """Make the masked versions that are waited for. Called by the periodic reconcile."""
    lost = clock.now() - MASKING_TIMEOUT
    free = MaskedCopy.objects.filter(Q(taken_at=None) | Q(taken_at__lt=lost), result=None)
    asked = free.filter(problem="").order_by("asked_at")
    for pk, taken_before in asked.values_list("pk", "taken_at"):
        # Whoever changes the row has it.
        if free.filter(pk=pk, problem="").update(taken_at=clock.now()):
            copy = MaskedCopy.objects.select_related("source__dataset__owner").get(pk=pk)
            if taken_before:
                reason = "The worker that masked its personal data fell silent; it is done again."
                record(actor=None, action="dataset.requeued", subject=copy.source, reason=reason)
            _make(copy)


def _still_here(copy: MaskedCopy) -> None:
    MaskedCopy.objects.filter(pk=copy.pk, result=None).update(taken_at=clock.now())


def _make(copy: MaskedCopy) -> None:
    from contributions.intake import mask  # heavy, for workers only

    try:
        alive = Pulse(partial(_still_here, copy), every=PULSE_SECONDS)
        with alive, TemporaryDirectory() as scratch:
            masked = Path(scratch) / "masked.jsonl"
            source = file_at_hand(str(copy.source.file.name), copy.source.sha256)
            replaced = mask(source, out=masked, mapping=copy.source.mapping or None)
            with masked.open("rb") as stream:
                _conclude(copy, File(stream), replaced)
    except OSError:
        logger.exception("the masking of version %s broke off", copy.source_id)
        _give_up(copy, "Its file could not be read or the copy not be written. Ask again.")
    except Refused as error:
        _give_up(copy, str(error))


def _conclude(copy: MaskedCopy, masked: File[bytes], replaced: dict[str, int]) -> None:
    """Add the copy as the newest version of its dataset, however often this is tried."""
    source = copy.source
    once = uuid.uuid5(source.once, "masked")
    dataset = dataset_take_version(
        dataset=source.dataset,
        file=masked,
        filename=f"{Path(source.filename).stem}-masked.jsonl",
        once=once,
    )
    with transaction.atomic():
        copy = MaskedCopy.objects.select_for_update().get(pk=copy.pk)
        if copy.result_id is not None:
            return
        copy.result = dataset.versions.get(once=once)
        copy.save(update_fields=["result"])
        record(
            actor=dataset.owner,
            action="dataset.masked",
            subject=copy.result,
            data={"masked_from": source.sha256, "replaced": replaced},
        )
        live.announce(f"version.{source.pk}")


def _give_up(copy: MaskedCopy, problem: str) -> None:
    MaskedCopy.objects.filter(pk=copy.pk, result=None).update(problem=problem)
