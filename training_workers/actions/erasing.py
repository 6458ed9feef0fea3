"""Erasing what withdrawn experts left in files, once the time for appeals is over."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from contributions.actions import expert_erased
from contributions.models import Expert
from training_workers.models import Evaluation, Release

# What no row names is most likely still being written when it is young.
ORPHAN_AFTER = timedelta(days=1)


def erase() -> None:
    """Erase every withdrawn expert that is due, and adapters that no row names any more."""
    for expert in Expert.objects.due_for_erasure():
        expert_erase(expert=expert)
    _sweep()


def expert_erase(*, expert: Expert) -> None:
    """Delete an expert's adapter and answers, merges with it, the controls that learnt what it
    learnt, and its word counts in routers. What another expert that is here has in common with it
    stays."""
    releases = list(Release.objects.filter(members__expert=expert))
    controls = {sha256 for release in releases for sha256 in release.controls}
    others = Expert.objects.exclude(pk=expert.pk).exclude(adapter_folder="")
    named = {expert.adapter_sha256} | controls
    kept = others.filter(adapter_sha256__in=named).values_list("adapter_sha256", flat=True)
    gone = named - set(kept) - {""}
    with transaction.atomic():
        # Before the row says so: what is broken off here is done again.
        for sha256 in gone:
            shutil.rmtree(_adapters() / sha256, ignore_errors=True)
        for release in releases:
            _forget_profile(release.strategy_path / "strategy.json", str(expert.pk))
            shutil.rmtree(release.merged_path, ignore_errors=True)
        Evaluation.objects.filter(adapter_sha256__in=gone).delete()
        expert_erased(expert=expert)


def _forget_profile(file: Path, name: str) -> None:
    """Routers count which words an expert was taught; those of the others stay as they are."""
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    profiles = state.get("router", state).get("profiles", {})
    if profiles.get(name):
        profiles[name] = {}
        file.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")


def _sweep() -> None:
    """Adapters that a training left behind whose expert was withdrawn meanwhile, or the like."""
    named = {sha256 for release in Release.objects.all() for sha256 in release.controls}
    named |= {
        Path(folder).name for folder in Expert.objects.values_list("adapter_folder", flat=True)
    }
    days = timedelta(days=settings.MOSAIC_ERASE_AFTER_DAYS)
    before = (timezone.now() - days - ORPHAN_AFTER).timestamp()
    for folder in _adapters().glob("*"):
        if folder.name not in named and folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)


def _adapters() -> Path:
    return Path(settings.MEDIA_ROOT) / "adapters"
