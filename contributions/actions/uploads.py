"""Files that arrive in parts: start, parts in any order, finish. Nothing counts before the finish.

The ledger hears of the version that comes of it, not of the way there, which is personal.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.files.temp import NamedTemporaryFile
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from contributions.actions.datasets import add_version, make_room, received, refuse_taken_name
from contributions.actions.storing import Source, store
from contributions.allowance import allowance_of
from contributions.models import Dataset, Upload, UploadPart
from contributions.models.upload import UNFINISHED, UPLOAD_LIFECYCLE
from mosaic_site import live
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused
from mosaic_site.files import folder_delete
from mosaic_site.members.models import User

logger = logging.getLogger(__name__)


class PartDamaged(Refused):
    """A part that did not arrive as it was sent. Sending it again helps."""

    status = 422


def upload_start(
    *,
    owner: User,
    filename: str,
    size: int,
    name: str = "",
    dataset: Dataset | None = None,
    purpose: str = Upload.Purpose.DATASET,
    once: uuid.UUID | None = None,
) -> Upload:
    """Reserve room for a file of `size` bytes: a new dataset called `name`, a next version, or an
    adapter, which has neither.

    Started again with the same `once` it is the same upload. Raises Refused over a limit.
    """
    once = once or uuid.uuid4()
    allowance = allowance_of(owner)
    if size > allowance.file:
        raise Refused(
            f"{filename} has {mib(size)}, more than the {mib(allowance.file)} that one file "
            "may have.",
            "Split it and add the pieces as several datasets.",
        )
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        existing = Upload.objects.filter(owner=owner, once=once).first()
        if existing is not None:
            return existing
        if allowance_of(owner).open >= allowance.most_open:
            raise Refused(
                f"You have {allowance.most_open} unfinished uploads, and no more are possible.",
                "Go on with one of them, or delete one.",
            )
        if name:
            refuse_taken_name(owner, name)
        make_room(owner, size)
        return Upload.objects.create(
            owner=owner,
            purpose=purpose,
            name="" if dataset else name,
            dataset=dataset,
            filename=filename[:240],
            size=size,
            part_bytes=settings.MOSAIC_PART_BYTES,
            touched_at=timezone.now(),
            once=once,
        )


def part_receive(*, upload: Upload, number: int, sha256: str, size: int, body: Source) -> None:
    """Keep part `number`, whose `body` must have the `size` and the hash that are announced.

    Any order; the same part again is no matter. Raises Refused where it does not belong here, and
    PartDamaged where it is not what was sent.
    """
    _require_open(upload)
    if not 1 <= number <= upload.part_count:
        raise Refused(
            f"There is no part {number}: this file has the parts 1 to {upload.part_count}."
        )
    if size != upload.bytes_of(number):
        raise Refused(
            f"Part {number} must have {upload.bytes_of(number):,} bytes, and this has {size:,}.",
            f"Cut the file into parts of {upload.part_bytes:,} bytes; only the last is shorter.",
        )
    if _is_here(upload, number, sha256):
        return
    stored = store(f"{upload.folder}/{number}-{uuid.uuid4().hex}", [body])
    kept = False
    try:
        if (stored.sha256, stored.size) != (sha256, size):
            raise PartDamaged(
                f"Part {number} did not arrive as it was sent: its SHA-256 is another.",
                "Send this part again.",
            )
        with transaction.atomic():
            upload = Upload.objects.select_for_update().get(pk=upload.pk)
            _require_open(upload)
            if not _is_here(upload, number, sha256):
                UploadPart.objects.create(
                    upload=upload, number=number, sha256=sha256, size=size, stored=stored.name
                )
                upload.touched_at = timezone.now()
                upload.save(update_fields=["touched_at"])
                kept = True
    finally:
        if not kept:
            default_storage.delete(stored.name)


def upload_finish(*, upload: Upload) -> Upload:
    """All parts are here: a worker puts them together as a dataset version, and checks that.

    Finished again it is the same. Raises Refused while parts are missing.
    """
    if upload.is_adapter:
        raise Refused("This is an adapter, and no dataset is made of it.", "Bring it as an expert.")
    with transaction.atomic():
        upload = Upload.objects.select_for_update().get(pk=upload.pk)
        if upload.status in {Upload.Status.JOINING, Upload.Status.FINISHED}:
            return upload
        _require_whole(upload, list(upload.parts.all()))
        _move(upload, Upload.Status.JOINING, joining_since=None, problem="", remedy="")
    return upload


def upload_join(*, upload_id: int) -> None:
    """Put the parts together. What the whole is refused for its owner finds on its page.

    Does nothing where another worker is at it. One that falls silent is taken for lost.
    """
    if not Upload.objects.to_join().filter(pk=upload_id).update(joining_since=timezone.now()):
        return
    upload = Upload.objects.get(pk=upload_id)
    parts = list(upload.parts.order_by("number"))
    try:
        with (
            received(_opened(upload, parts), upload.filename, uuid.uuid4()) as version,
            transaction.atomic(),
        ):
            locked = Upload.objects.select_for_update().get(pk=upload_id)
            if locked.status == Upload.Status.JOINING:
                add_version(_dataset_for(locked), version)
                _move(locked, Upload.Status.FINISHED, version=version)
    except Refused as refused:
        _open_again(upload_id, refused)
    except OSError:
        logger.exception("the parts of upload %s cannot be put together", upload_id)
        _open_again(
            upload_id,
            Refused(
                "All of it is here, and it could not be put together: most likely the site had no "
                "room for it.",
                "Finish it once more; what is here is not sent again.",
            ),
        )


def _open_again(upload_id: int, refused: Refused) -> None:
    """Say why it was not taken, unless another worker was quicker and it was."""
    with transaction.atomic():
        upload = Upload.objects.select_for_update().get(pk=upload_id)
        if upload.status == Upload.Status.JOINING:
            _move(upload, Upload.Status.OPEN, problem=refused.problem, remedy=refused.remedy)


@contextmanager
def whole_adapter(upload: Upload) -> Iterator[File[bytes]]:
    """The file of an adapter, put together from its parts. Raises Refused while any is missing."""
    if not upload.is_adapter:
        raise Refused("This upload is a dataset, not an adapter.", "Upload the adapter.")
    parts = list(upload.parts.order_by("number"))
    _require_whole(upload, parts)
    with NamedTemporaryFile() as whole:
        for source in _opened(upload, parts):
            while block := source.read(File.DEFAULT_CHUNK_SIZE):
                whole.write(block)
        whole.seek(0)
        yield File(whole, name=upload.filename)


def adapter_sha256(*, upload: Upload) -> str:
    """The hash of an adapter's file, to compare with what was sent. Refused while parts lack."""
    digest = hashlib.sha256()
    with whole_adapter(upload) as file:
        for block in file.chunks():
            digest.update(block)
    return digest.hexdigest()


def adapter_taken(upload: Upload) -> None:
    """An expert was made of it. The caller holds the transaction."""
    upload = Upload.objects.select_for_update().get(pk=upload.pk)
    _require_open(upload)
    _move(upload, Upload.Status.FINISHED)


def upload_abort(*, upload: Upload) -> None:
    """Give an unfinished upload up: its room is free now, its parts are deleted soon."""
    with transaction.atomic():
        upload = Upload.objects.select_for_update().get(pk=upload.pk)
        if upload.status != Upload.Status.ABORTED:
            _require_open(upload)
            _move(upload, Upload.Status.ABORTED)


def reconcile_uploads() -> None:
    """Join what is all here, expire what was abandoned or whose owner left, and delete the parts of
    whatever has ended."""
    for pk in Upload.objects.to_join().order_by("touched_at").values_list("pk", flat=True):
        upload_join(upload_id=pk)
    lately = timezone.now() - timedelta(days=settings.MOSAIC_UPLOAD_EXPIRY_DAYS)
    abandoned = Q(touched_at__lt=lately) | Q(owner__left_at__isnull=False)
    for pk in Upload.objects.open().filter(abandoned).values_list("pk", flat=True):
        with transaction.atomic():
            upload = Upload.objects.select_for_update(of=("self",)).filter(abandoned, pk=pk).first()
            if upload is not None and upload.status == Upload.Status.OPEN:
                _move(upload, Upload.Status.EXPIRED)
    for upload in Upload.objects.exclude(status__in=UNFINISHED).filter(has_parts=True):
        try:
            folder_delete(upload.folder)
        except OSError:
            logger.exception("the parts of upload %s cannot be deleted now", upload.pk)
            continue
        with transaction.atomic():
            upload.parts.all().delete()
            Upload.objects.filter(pk=upload.pk).update(has_parts=False)


def _require_open(upload: Upload) -> None:
    if upload.status == Upload.Status.OPEN:
        return
    how = {
        Upload.Status.JOINING: "has arrived and is put together now",
        Upload.Status.FINISHED: "is finished",
        Upload.Status.ABORTED: "was deleted",
        Upload.Status.EXPIRED: "expired, as no part of it came for "
        f"{settings.MOSAIC_UPLOAD_EXPIRY_DAYS} days",
    }
    joining = upload.status == Upload.Status.JOINING
    remedy = "Wait for a moment." if joining else "Start a new one."
    raise Refused(f"This upload {how[Upload.Status(upload.status)]}.", remedy)


def _require_whole(upload: Upload, parts: Sequence[UploadPart]) -> None:
    _require_open(upload)
    here = {part.number for part in parts}
    missing = [number for number in range(1, upload.part_count + 1) if number not in here]
    if missing:
        raise Refused(
            f"{len(missing)} of {upload.part_count} parts are not here yet; "
            f"the first of them is part {missing[0]}.",
            "Send them, then finish.",
        )


def _is_here(upload: Upload, number: int, sha256: str) -> bool:
    """Whether this part came before; Refused where it came with another content."""
    part = upload.parts.filter(number=number).first()
    if part is not None and part.sha256 != sha256:
        raise Refused(
            f"Part {number} is here already with another content: this is not the same file.",
            f"Go on with the file that you began with, or delete this upload of {upload.filename} "
            "and start anew.",
        )
    return part is not None


def _opened(upload: Upload, parts: list[UploadPart]) -> Iterator[Source]:
    for part in parts:
        # A sign of life at each.
        Upload.objects.filter(pk=upload.pk).update(joining_since=timezone.now())
        with default_storage.open(part.stored) as file:
            yield file


def _dataset_for(upload: Upload) -> Dataset:
    """The dataset, made now where it is a new one, locked where not."""
    if upload.dataset_id is not None:
        return Dataset.objects.select_for_update().get(pk=upload.dataset_id)
    return Dataset.objects.create(owner=upload.owner, name=upload.name)


def _move(upload: Upload, status: str, **changes: Any) -> None:
    """Change a locked upload's state, and what goes with it."""
    UPLOAD_LIFECYCLE.require(upload.status, status)
    for name, value in {"status": status, **changes}.items():
        setattr(upload, name, value)
    upload.save(update_fields=["status", *changes])
    live.nudge("contributions", "check")
