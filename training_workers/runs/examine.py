"""Examining an expert that was trained elsewhere: bring it into the house's form, then evaluate and
check it as if it had been trained here."""

import json
import shutil
import time
from pathlib import Path

from contributions.models import Expert
from training_workers.engine.adapters import CONFIG, WEIGHTS, adapter_sha256
from training_workers.engine.foreign import adopt
from training_workers.models import Job
from training_workers.runs.heartbeat import Heartbeat
from training_workers.runs.preparing import base_in_memory
from training_workers.runs.train import Made, conclude
from training_workers.work_folders import work_folder


def examine(job: Job, expert: Expert, heartbeat: Heartbeat) -> None:
    """Do the job of a brought expert. Raises Cancelled, AdapterError, BaseError, OSError."""
    heartbeat.report("loading the base and the adapter")
    began = time.monotonic()
    base = base_in_memory(expert.base)
    brought, adopted = work_folder(job) / "brought", work_folder(job) / "adapter"
    _fetch(expert, brought)
    adopt(brought, base, adopted)
    made = Made(
        sha256=adapter_sha256(adopted),
        size_bytes=(adopted / WEIGHTS).stat().st_size,
        tokens=0,
        how={"seconds": time.monotonic() - began},
    )
    conclude(job, expert, base, adopted, made, heartbeat)


def _fetch(expert: Expert, folder: Path) -> None:
    """The upload as the folder that PEFT would have written."""
    folder.mkdir(parents=True, exist_ok=True)
    with expert.brought_file.open("rb") as stored, (folder / WEIGHTS).open("wb") as local:
        shutil.copyfileobj(stored, local)
    (folder / CONFIG).write_text(json.dumps(expert.brought_config), encoding="utf-8")
