"""Training one expert: learn from its data, evaluate and check it, put it on the ballot."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from contributions.actions import expert_become_eligible
from contributions.models import Expert, Priority
from contributions.models.expert import ADAPTERS
from mosaic_site.files import folder_at_hand, folder_keep
from training_workers.actions import job_beat, job_finish
from training_workers.engine.bases import Base
from training_workers.engine.devtable import DevTable
from training_workers.engine.pool import BASE, ExpertPool
from training_workers.engine.resampling import wilson
from training_workers.engine.scoring import Item
from training_workers.engine.training import Cancelled, Progress, Recipe, train_adapter
from training_workers.models import Job
from training_workers.runs.checking import checks_of
from training_workers.runs.evaluating import Evaluator, answer_limit, probe_sets
from training_workers.runs.heartbeat import Heartbeat
from training_workers.runs.preparing import base_in_memory, examples_of
from training_workers.work_folders import WorkFolder


@dataclass(frozen=True)
class Made:
    """A finished adapter; `how` is what the evidence tells of its making."""

    sha256: str
    size_bytes: int
    tokens: int
    how: dict[str, Any]


def train(job: Job, expert: Expert, heartbeat: Heartbeat) -> None:
    """Do a training job. Raises Cancelled, TrainingError, BaseError, ValueError."""
    heartbeat.report("loading the base and the data")
    base = base_in_memory(expert.base)
    work = WorkFolder(job)
    trained = train_adapter(
        base,
        examples_of(expert.versions.all()),
        Recipe.from_dict(expert.recipe),
        out=work.path / "adapter",
        work=work.path / "checkpoint",
        on_progress=lambda progress: report(heartbeat, work, "training", progress),
        should_stop=heartbeat.should_stop,
        on_less_memory=heartbeat.less_memory,
    )
    how = {
        "seconds": trained.seconds,
        "loss": trained.final_loss,
        "losses": thinned(trained.losses),
    }
    made = Made(trained.sha256, trained.size_bytes, trained.tokens, how)
    conclude(job, expert, base, work.path / "adapter", made, heartbeat)


def conclude(
    job: Job, expert: Expert, base: Base, adapter: Path, made: Made, heartbeat: Heartbeat
) -> None:
    """Evaluate and check the adapter in a folder, and put it on the ballot. Raises Cancelled."""
    folder = keep_adapter(adapter)
    pool = ExpertPool(base, remember=True)
    pool.add(str(expert.pk), folder_at_hand(folder))
    evidence = _evidence(expert, made, base, pool, heartbeat)
    checks = checks_of(expert, base, pool, heartbeat)
    with transaction.atomic():
        # Asked of the row itself: a cancel that came since the last beat counts.
        if not job_beat(job=job):
            raise Cancelled
        job_finish(job=job)
        expert_become_eligible(
            expert=expert,
            adapter_sha256=made.sha256,
            adapter_bytes=made.size_bytes,
            adapter_folder=folder,
            tokens=made.tokens,
            evidence=evidence,
            checks=checks,
        )


def report(heartbeat: Heartbeat, work: WorkFolder, phase: str, progress: Progress) -> None:
    """After a training step: pass its numbers on to the page, and see that others could go on."""
    heartbeat.report(phase, **asdict(progress))
    work.copy_now_and_then()


def keep_adapter(made: Path) -> str:
    """Store an adapter under its hash. Returns the name of its folder in the storage."""
    return folder_keep(made, ADAPTERS)


def _evidence(
    expert: Expert, made: Made, base: Base, pool: ExpertPool, heartbeat: Heartbeat
) -> dict[str, Any]:
    """Scores on the fit and select probes of every priority, beside the base's, for the ballot."""
    sets = probe_sets(["fit", "select"])
    priorities = {probes.priority.pk: probes.priority for probes in sets}
    name = str(expert.pk)
    evaluator = Evaluator(pool, {name: made.sha256}, answer_limit(base), heartbeat.should_stop)
    rows = []
    if sets:
        groups = {pk: str(pk) for pk in priorities}
        found = evaluator.table(sets, groups, heartbeat.counting("evaluating"))
        if found is None or heartbeat.should_stop():
            raise Cancelled
        rows = [_evidence_row(*found, priority, name) for priority in priorities.values()]
    return {
        "own": next((row for row in rows if row["priority"] == expert.priority_id), None),
        "others": [row for row in rows if row["priority"] != expert.priority_id],
        **made.how,
    }


def _evidence_row(
    items: Sequence[Item], table: DevTable, priority: Priority, name: str
) -> dict[str, Any]:
    """An expert's score on one priority, with Wilson's interval, beside the base's."""
    rows = [row for row, group in enumerate(table.groups) if group == str(priority.pk)]
    own, alone = (
        [items[row].score(table.answers[model][row]) for row in rows] for model in (name, BASE)
    )
    low, high = wilson(sum(own), len(own))
    return {
        "priority": priority.pk,
        "statement": priority.statement,
        "n": len(own),
        "score": sum(own) / len(own),
        "low": low,
        "high": high,
        "base": sum(alone) / len(alone),
    }


def thinned(losses: list[tuple[int, float]], points: int = 120) -> list[tuple[int, float]]:
    """At most `points` of a loss curve, evenly spaced, the last one always among them."""
    stride = max(1, -(-len(losses) // points))
    return losses[(len(losses) - 1) % stride :: stride]
