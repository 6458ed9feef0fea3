"""Taking in an expert that was trained elsewhere, up to the point where stewards read it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.core.files.temp import NamedTemporaryFile
from django.db import transaction

from contributions.actions.experts import active_base, enter, submit_again
from contributions.actions.uploads import adapter_taken, whole_adapter
from contributions.intake import (
    AdapterLimits,
    AdapterRefused,
    BroughtAdapter,
    read_adapter_files,
)
from contributions.licences import LICENCES
from contributions.models import Base, Expert, Priority, Upload
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User


def adapter_limits() -> AdapterLimits:
    return AdapterLimits(max_bytes=settings.MOSAIC_UPLOAD_LIMIT_BYTES)


def expert_bring(
    *,
    owner: User,
    name: str,
    purpose: str,
    priority: Priority,
    origin: str,
    licence: str,
    files: Sequence[File[bytes]] = (),
    upload: Upload | None = None,
    once: uuid.UUID | None = None,
) -> Expert:
    """Ask the stewards to have a trained adapter examined. The files are its folder, or a zip; or
    they came in parts, as an upload that is whole."""
    once = once or uuid.uuid4()
    _require_usable(licence)
    if existing := Expert.objects.filter(once=once).first():
        return existing
    with _read(files, upload) as (adapter, weights), transaction.atomic():
        existing = Expert.objects.filter(once=once).first()
        if existing is not None:
            return existing
        base = active_base()
        _require_made_for(base, adapter)
        _require_new(owner, adapter)
        expert, created = enter(
            owner=owner,
            name=name,
            once=once,
            purpose=purpose,
            priority=priority,
            base=base,
            source=Expert.Source.BROUGHT,
            origin=origin,
            licence=licence,
            **_described(adapter),
        )
        if not created:
            return expert
        _keep(expert, adapter, weights)
        expert.save()
        if upload is not None:
            adapter_taken(upload)
        record(
            actor=owner,
            action="expert.brought",
            subject=expert,
            data={"weights": adapter.sha256, "rank": adapter.settings.rank, "licence": licence},
        )
        live.announce("desk")
    return expert


def expert_bring_again(
    *,
    expert: Expert,
    purpose: str,
    origin: str,
    licence: str,
    files: Sequence[File[bytes]] = (),
    upload: Upload | None = None,
) -> Expert:
    """Bring a returned, failed or cancelled expert again; without files, with the same weights."""
    _require_usable(licence)
    about: dict[str, Any] = {"purpose": purpose, "origin": origin, "licence": licence}
    if not files and upload is None:
        return submit_again(expert, data={"weights": expert.brought_sha256}, **about)
    replaced = [file.name for file in (expert.brought_file, expert.profile_file) if file.name]
    with _read(files, upload) as (adapter, weights), transaction.atomic():
        _require_made_for(active_base(), adapter)
        expert = submit_again(
            expert, data={"weights": adapter.sha256}, **about, **_described(adapter)
        )
        _keep(expert, adapter, weights)
        expert.save()
        if upload is not None:
            adapter_taken(upload)
        for name in replaced:
            transaction.on_commit(partial(default_storage.delete, name))
    return expert


@contextmanager
def _read(
    files: Sequence[File[bytes]], upload: Upload | None
) -> Iterator[tuple[BroughtAdapter, File[bytes]]]:
    """The adapter in these files or in this upload, and its weights. Raises Refused.

    Before any transaction: reading takes a moment, for which others would wait.
    """
    if not files and upload is None:
        raise Refused("Choose the adapter's folder as a zip, or its files.")
    with ExitStack() as opened, NamedTemporaryFile() as weights:
        limits = adapter_limits()
        if upload is not None:
            files = [opened.enter_context(whole_adapter(upload))]
            limits = AdapterLimits(max_bytes=settings.MOSAIC_FILE_LIMIT_BYTES)
        try:
            named = [(file.name or "", file.open()) for file in files]
            adapter = read_adapter_files(named, weights, limits)
        except AdapterRefused as error:
            raise Refused(str(error)) from error
        weights.seek(0)
        yield adapter, File(weights)


def _require_usable(licence: str) -> None:
    if not LICENCES[licence].allows_training:
        raise Refused("An adapter without leave to make derivatives cannot be part of a mix.")


def _require_made_for(base: Base, adapter: BroughtAdapter) -> None:
    """By the base's hash where the weights have one, else by its name."""
    made_for, name = adapter.header.base_sha256, adapter.settings.base_name
    known = {base.name, base.source, _last(base.name), _last(base.source)}
    fits = made_for == base.sha256 if made_for else not name or {name, _last(name)} & known
    if not fits:
        raise Refused(
            f"This adapter was made for another base, {name or made_for[:10]}. Experts here adapt "
            f"{base.name} (SHA-256 {base.sha256[:10]}…): train it on that one."
        )


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _require_new(owner: User, adapter: BroughtAdapter) -> None:
    known = Expert.objects.filter(owner=owner, brought_sha256=adapter.sha256)
    same = known.exclude(status=Expert.Status.WITHDRAWN).first()
    if same is not None:
        raise Refused(
            f"These are the weights of “{same}”, which you brought already. "
            "Submit that one again, or choose another adapter."
        )


def _described(adapter: BroughtAdapter) -> dict[str, Any]:
    return {
        "card": adapter.card,
        "brought_sha256": adapter.sha256,
        "brought_config": adapter.settings.to_config(),
    }


def _keep(expert: Expert, adapter: BroughtAdapter, weights: File[bytes]) -> None:
    """Store the files. The caller saves the row."""
    expert.brought_file.save("adapter.safetensors", weights, save=False)
    expert.profile_file.name = ""
    if adapter.profile is not None:
        profile = ContentFile(json.dumps(adapter.profile).encode())
        expert.profile_file.save("profile.json", profile, save=False)
