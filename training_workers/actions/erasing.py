"""Erasing what withdrawn experts left in files, once the time for appeals is over."""

import json
import logging
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from contributions.actions import expert_erased
from contributions.models import Expert
from contributions.models.expert import ADAPTERS
from mosaic_site.files import cache_sweep, folder_delete, folder_keep, listed
from training_workers.engine.release_manifest import MERGED, STRATEGY_FILE
from training_workers.models import Evaluation, Release
from training_workers.work_folders import clear_work

logger = logging.getLogger(__name__)

# What no row names is most likely still being written when it is young.
ORPHAN_AFTER = timedelta(days=1)


def erase() -> None:
    """Erase every withdrawn expert that is due, and adapters that no row names any more."""
    for expert in Expert.objects.due_for_erasure():
        expert_erase(expert=expert)
    _sweep()


def machine_tidy() -> None:
    """Drop from this machine what has ended or was erased: work of jobs, copies in its cache.

    Every machine has its own, so every one does this, and not one for all.
    """
    clear_work()
    dropped = cache_sweep()
    if dropped:
        logger.info("dropped %d copies of what is no longer in the storage", dropped)


def expert_erase(*, expert: Expert) -> None:
    """Delete an expert's adapter and answers, merges with it, the controls that learnt what it
    learnt, and its word counts in routers. What another expert that is here has in common with it
    stays.

    Other machines drop their copies when they tidy up next.
    """
    releases = list(Release.objects.filter(members__expert=expert))
    controls = {sha256 for release in releases for sha256 in release.controls}
    others = Expert.objects.exclude(pk=expert.pk).exclude(adapter_folder="")
    named = {expert.adapter_sha256} | controls
    kept = others.filter(adapter_sha256__in=named).values_list("adapter_sha256", flat=True)
    gone = named - set(kept) - {""}
    # Before the row says so: what is broken off here is done again.
    for release in releases:
        _forget_in_strategy(release, str(expert.pk))
    with transaction.atomic():
        for sha256 in gone:
            folder_delete(f"{ADAPTERS}/{sha256}")
        Evaluation.objects.filter(adapter_sha256__in=gone).delete()
        expert_erased(expert=expert)


def _forget_in_strategy(release: Release, name: str) -> None:
    """Routers count which words an expert was taught; those of the others stay as they are. A merge
    has it in every number."""
    if release.status == Release.Status.COMPOSING:
        return  # without this expert
    if release.strategy_folder:
        with TemporaryDirectory() as scratch, suppress(FileNotFoundError):
            folder = Path(scratch) / "strategy"
            shutil.copytree(release.strategy_path, folder)
            merged = folder / MERGED
            had_merge = merged.exists()
            shutil.rmtree(merged, ignore_errors=True)
            if _without_profile(folder / STRATEGY_FILE, name) or had_merge:
                release.strategy_folder = folder_keep(folder, release.stored_below)
                release.save(update_fields=["strategy_folder"])
    folders, _ = listed(release.stored_below)
    for other in folders:
        if f"{release.stored_below}/{other}" != release.strategy_folder:
            folder_delete(f"{release.stored_below}/{other}")


def _without_profile(file: Path, name: str) -> bool:
    """Take the profile out of a strategy's file. Returns whether it was in it."""
    state = json.loads(file.read_text(encoding="utf-8"))
    profiles = state.get("router", state).get("profiles", {})
    if not profiles.get(name):
        return False
    profiles[name] = {}
    file.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    return True


def _sweep() -> None:
    """Adapters that a training left behind whose expert was withdrawn meanwhile, or the like."""
    named = {sha256 for release in Release.objects.all() for sha256 in release.controls}
    named |= {
        Path(folder).name for folder in Expert.objects.values_list("adapter_folder", flat=True)
    }
    before = timezone.now() - timedelta(days=settings.MOSAIC_ERASE_AFTER_DAYS) - ORPHAN_AFTER
    folders, _ = listed(ADAPTERS)
    for name in folders:
        if name not in named and _written_before(f"{ADAPTERS}/{name}", before):
            folder_delete(f"{ADAPTERS}/{name}")


def _written_before(folder: str, moment: datetime) -> bool:
    _, files = listed(folder)
    times = [default_storage.get_modified_time(f"{folder}/{file}") for file in files]
    return bool(times) and max(times) < moment
