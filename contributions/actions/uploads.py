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
from contributions.models import Dataset, DatasetVersion, Upload, UploadPart
from contributions.models.upload import UPLOAD_LIFECYCLE
from mosaic_site import live
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused
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


def upload_finish(*, upload: Upload) -> DatasetVersion:
    """Put the parts together as a dataset version: received now, checked by a worker.

    Finished again it is the same version. Raises Refused while parts are missing, and where the
    content or the name was brought already; the upload is then as it was.
    """
    if upload.is_adapter:
        raise Refused("This is an adapter, and no dataset is made of it.", "Bring it as an expert.")
    parts = list(upload.parts.order_by("number"))
    # Only after the parts: whoever finishes it first has them deleted.
    upload.refresh_from_db()
    if upload.version is not None:
        return upload.version
    _require_whole(upload, parts)
    try:
        with (
            received(_opened(parts), upload.filename, uuid.uuid4()) as version,
            transaction.atomic(),
        ):
            locked = Upload.objects.select_for_update().get(pk=upload.pk)
            if locked.version is not None:
                return locked.version
            _require_open(locked)
            add_version(_dataset_for(locked), version)
            locked.version = version
            _end(locked, Upload.Status.FINISHED)
            return version
    except FileNotFoundError:
        # Somebody else finished or deleted it, and its parts went away as they were read.
        ended = Upload.objects.get(pk=upload.pk)
        if ended.version is not None:
            return ended.version
        _require_open(ended)
        raise


@contextmanager
def whole_adapter(upload: Upload) -> Iterator[File[bytes]]:
    """The file of an adapter, put together from its parts. Raises Refused while any is missing."""
    if not upload.is_adapter:
        raise Refused("This upload is a dataset, not an adapter.", "Upload the adapter.")
    parts = list(upload.parts.order_by("number"))
    _require_whole(upload, parts)
    with NamedTemporaryFile() as whole:
        for source in _opened(parts):
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
    _end(upload, Upload.Status.FINISHED)


def upload_abort(*, upload: Upload) -> None:
    """Give an unfinished upload up: its room is free now, its parts are deleted soon."""
    with transaction.atomic():
        upload = Upload.objects.select_for_update().get(pk=upload.pk)
        if upload.status != Upload.Status.ABORTED:
            _require_open(upload)
            _end(upload, Upload.Status.ABORTED)


def reconcile_uploads() -> None:
    """Expire what was abandoned or whose owner left, and delete the parts of whatever has ended."""
    lately = timezone.now() - timedelta(days=settings.MOSAIC_UPLOAD_EXPIRY_DAYS)
    abandoned = Q(touched_at__lt=lately) | Q(owner__left_at__isnull=False)
    for pk in Upload.objects.open().filter(abandoned).values_list("pk", flat=True):
        with transaction.atomic():
            upload = Upload.objects.select_for_update(of=("self",)).filter(abandoned, pk=pk).first()
            if upload is not None and upload.status == Upload.Status.OPEN:
                _end(upload, Upload.Status.EXPIRED)
    for upload in Upload.objects.exclude(status=Upload.Status.OPEN).filter(has_parts=True):
        try:
            _delete_folder(upload.folder)
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
        Upload.Status.FINISHED: "is finished",
        Upload.Status.ABORTED: "was deleted",
        Upload.Status.EXPIRED: "expired, as no part of it came for "
        f"{settings.MOSAIC_UPLOAD_EXPIRY_DAYS} days",
    }
    raise Refused(f"This upload {how[Upload.Status(upload.status)]}.", "Start a new one.")


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


def _opened(parts: list[UploadPart]) -> Iterator[Source]:
    for part in parts:
        with default_storage.open(part.stored) as file:
            yield file


def _dataset_for(upload: Upload) -> Dataset:
    """The dataset, made now where it is a new one, locked where not."""
    if upload.dataset_id is not None:
        return Dataset.objects.select_for_update().get(pk=upload.dataset_id)
    return Dataset.objects.create(owner=upload.owner, name=upload.name)


def _end(upload: Upload, status: str) -> None:
    UPLOAD_LIFECYCLE.require(upload.status, status)
    upload.status = status
    upload.save(update_fields=["status", "version"])
    live.nudge("contributions")


def _delete_folder(folder: str) -> None:
    try:
        _, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for file in files:
        default_storage.delete(f"{folder}/{file}")
    default_storage.delete(folder)
