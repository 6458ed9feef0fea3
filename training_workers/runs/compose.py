"""Composing a release: choose a strategy, train the controls, report on sealed probes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from contributions.models import Base, Expert
from contributions.models.expert import ADAPTERS
from governance.support import weights
from mosaic_site.files import folder_at_hand, folder_keep
from training_workers.actions import job_beat, job_finish, release_go_live
from training_workers.engine import bases
from training_workers.engine.adapters import read_adapter
from training_workers.engine.composing import SEES, Choice, choose
from training_workers.engine.controls import Contribution, Trainer
from training_workers.engine.devtable import DevTable
from training_workers.engine.measuring import Rivals, Subject, measure
from training_workers.engine.pool import ExpertPool
from training_workers.engine.profiles import Profile, profile_of
from training_workers.engine.release_folder import write_merged
from training_workers.engine.release_manifest import MERGED
from training_workers.engine.scoring import Item
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.strategy import save_strategy
from training_workers.engine.training import Cancelled, Recipe, Trained
from training_workers.models import Job, Release, ReleaseExpert
from training_workers.models.release import FALLBACK
from training_workers.runs.evaluating import Evaluator, ProbeSet, answer_limit, probe_sets
from training_workers.runs.heartbeat import Heartbeat
from training_workers.runs.preparing import base_in_memory, examples_of
from training_workers.runs.train import keep_adapter, report
from training_workers.work_folders import WorkFolder, work_folder

NO_DATA = "All experts were trained elsewhere, and their data stayed there."
NOT_WANTED = "This site does not train it (MOSAIC_CONTROLS)."
CONTROLS = {
    "monolith": "training the monolith",
    "sequential": "training the sequential monolith",
    "monolith_wide": "training the monolith at the summed rank",
}
"""What is trained for comparison, and how the page calls that phase."""


class NothingToCompose(Exception):
    """A release cannot be built; the message says why."""


@dataclass(frozen=True)
class Parts:
    """What a release is composed of: its members with what they learnt from, and their priorities.

    `controls` were trained on the same contributions, in the order in which these arrived.
    """

    base: bases.Base
    members: list[ReleaseExpert]
    contributions: list[Contribution]
    groups: dict[int, str]
    controls: dict[str, Trained]


def compose(job: Job, release: Release, heartbeat: Heartbeat) -> None:
    """Do a composing job. Raises NothingToCompose and what training raises."""
    heartbeat.report("loading the base and the experts")
    base = base_in_memory(release.base)
    standing = release.members.filter(expert__status=Expert.Status.ELIGIBLE)
    members = list(standing.select_related("expert", "expert__priority").order_by("expert_id"))
    if not members:
        raise NothingToCompose("None of the experts that were chosen is there any more.")
    sets = probe_sets(["fit", "select", "sealed"])
    parts = {part: [s for s in sets if s.part == part] for part in ("fit", "select", "sealed")}
    if not all(parts.values()):
        raise NothingToCompose("No open priority has probes, so nothing can be compared.")
    groups = group_names(sets)
    # As members have voted now: what comes later counts for the next release.
    weighed = {groups[pk]: weight for pk, weight in weights(groups.keys()).items()}
    # Nobody here has the data of those that were brought: the controls cannot learn from them.
    contributions = [_contribution(one.expert) for one in members if not one.expert.is_brought]
    controls = _train_controls(job, base, contributions, heartbeat)
    composed = Parts(base, members, contributions, groups, controls)
    pool = ExpertPool(base, remember=True)
    for member in members:
        pool.add(str(member.expert_id), member.expert.adapter_path)
    evaluator = Evaluator(
        pool,
        {str(member.expert_id): member.adapter_sha256 for member in members},
        answer_limit(base),
        heartbeat.should_stop,
    )

    def tables(part: str, phase: str) -> tuple[list[Item], DevTable]:
        found = evaluator.table(parts[part], composed.groups, heartbeat.counting(phase))
        if found is None or heartbeat.should_stop():
            raise Cancelled
        return found

    fit = tables("fit", "evaluating for the choice")
    select = tables("select", "evaluating for the choice")
    profiles = _profiles(members, contributions)
    choice = choose(
        pool,
        fit,
        select,
        weighed,
        evaluator.limit,
        sees=_what_routers_see(),
        profiles=profiles,
        on_kind=lambda kind: heartbeat.report(f"trying the strategy {kind}"),
    )
    # The sealed probes are looked at once, after the choice is made.
    sealed = tables("sealed", "evaluating on sealed probes")
    subject = Subject(
        choice.strategy, pool, *sealed, choice.dev, _owners(composed), _contributors(members)
    )
    content = _report(composed, choice, subject, select, release.base, heartbeat)
    folder = _keep_strategy(choice, pool, work_folder(job) / "strategy", release)
    with transaction.atomic():
        if not job_beat(job=job):
            raise Cancelled
        job_finish(job=job)
        release_go_live(
            release=release,
            strategy=choice.strategy.name,
            strategy_folder=folder,
            report=content,
            credits={int(name): share for name, share in content["credit"].items()},
        )


def group_names(sets: Sequence[ProbeSet]) -> dict[int, str]:
    """How the report calls each priority: its statement, with its number where two are alike."""
    priorities = {probes.priority.pk: probes.priority for probes in sets}
    statements = [priority.statement for priority in priorities.values()]
    return {
        pk: (
            priority.statement
            if statements.count(priority.statement) == 1
            else f"{priority.statement} ({pk})"
        )
        for pk, priority in priorities.items()
    }


def _what_routers_see() -> list[str]:
    """What is tried, from cheap to dear; a sentence encoder where one is named."""
    first, *others = SEES
    encoder = settings.MOSAIC_SENTENCE_ENCODER
    return [first, *([encoder] if encoder else []), *others]


def _profiles(
    members: Sequence[ReleaseExpert], contributions: Sequence[Contribution]
) -> dict[str, Profile] | None:
    """The experts' profiles; None where one was brought without, for then none can be compared."""
    found: dict[str, Profile] = {
        one.name: profile_of(example.prompt for example in one.examples) for one in contributions
    }
    for expert in (member.expert for member in members if member.expert.is_brought):
        if not expert.profile_file:
            return None
        with expert.profile_file.open("rb") as stored:
            found[str(expert.pk)] = json.load(stored)
    return found


def _contribution(expert: Expert) -> Contribution:
    return Contribution(
        str(expert.pk),
        examples_of(expert.versions.all()),
        expert.tokens,
        Recipe.from_dict(expert.recipe).rank,
    )


def _train_controls(
    job: Job, base: bases.Base, contributions: Sequence[Contribution], heartbeat: Heartbeat
) -> dict[str, Trained]:
    """The controls that this site wants, kept among the adapters; what was broken off goes on."""
    if not contributions:
        return {}
    work = WorkFolder(job)
    trainer = Trainer(
        base,
        work.path / "controls",
        watch=lambda name, now: report(heartbeat, work, CONTROLS[name.split("-")[0]], now),
        should_stop=heartbeat.should_stop,
    )
    how: dict[str, Callable[[Sequence[Contribution]], Trained]] = {
        "monolith": trainer.pooled,
        "sequential": trainer.sequential,
        "monolith_wide": partial(trainer.pooled, wide=True),
    }
    wanted = [name for name in CONTROLS if name in settings.MOSAIC_CONTROLS]
    trained = {name: how[name](contributions) for name in wanted}
    for name in trained:
        keep_adapter(trainer.folder(name))
    return trained


def _keep_strategy(choice: Choice, pool: ExpertPool, folder: Path, release: Release) -> str:
    """Store the strategy with its fallback, and the merge where it is one. Returns the name of
    their folder in the storage."""
    save_strategy(choice.strategy, folder)
    save_strategy(BestSingle.fit(choice.dev), folder / FALLBACK)
    write_merged(folder / MERGED, pool, choice.strategy)
    return folder_keep(folder, release.stored_below)


def _owners(parts: Parts) -> dict[str, list[str]]:
    """The experts made for each priority."""
    owners: dict[str, list[str]] = {group: [] for group in parts.groups.values()}
    for member in parts.members:
        if member.expert.priority_id in parts.groups:
            owners[parts.groups[member.expert.priority_id]].append(str(member.expert_id))
    return owners


def _contributors(members: Sequence[ReleaseExpert]) -> dict[str, str]:
    return {str(member.expert_id): str(member.expert.owner_id) for member in members}


def _general(base: Base, members: Sequence[ReleaseExpert]) -> Base | None:
    """The smallest registered base with more parameters than this one and all experts together."""
    # Four bytes a parameter of an adapter.
    together = base.parameters + sum(member.expert.adapter_bytes for member in members) // 4
    return Base.objects.filter(parameters__gt=together).order_by("parameters").first()


def _report(
    parts: Parts,
    choice: Choice,
    subject: Subject,
    select: tuple[list[Item], DevTable],
    base: Base,
    heartbeat: Heartbeat,
) -> dict[str, Any]:
    """The release report, with what the site knows besides."""
    general = _general(base, parts.members)
    why = "No larger base is registered here."
    rivals = Rivals(
        {
            name: read_adapter(folder_at_hand(f"{ADAPTERS}/{trained.sha256}"), parts.base)
            for name, trained in parts.controls.items()
        },
        base_in_memory(general) if general else None,
        ({} if general else {"general": why})
        | dict.fromkeys(
            CONTROLS.keys() - parts.controls.keys(), NOT_WANTED if parts.contributions else NO_DATA
        ),
    )
    content = measure(subject, rivals, shown=select, on_phase=heartbeat.report)
    tokens = {name: trained.tokens for name, trained in parts.controls.items()}
    brought = sum(member.expert.is_brought for member in parts.members)
    if brought and parts.controls:
        # The last sentence is the one that matters most.
        content["sentences"].insert(
            -1,
            f"{brought} of {len(parts.members)} experts were trained elsewhere; "
            "the monoliths could not learn from their data.",
        )
    return {
        **content,
        "strategy": choice.strategy.name,
        "sees": choice.sees,
        "generations": choice.generations,
        "why": choice.why,
        "candidates": [asdict(candidate) for candidate in choice.candidates],
        "weights": dict(choice.dev.weights),
        "priority_ids": {group: pk for pk, group in parts.groups.items()},
        "expert_names": {str(member.expert_id): member.expert.name for member in parts.members},
        "tokens": {"experts": sum(one.tokens for one in parts.contributions), **tokens},
        "controls": {
            name: {
                "sha256": trained.sha256,
                "seconds": trained.seconds,
                "tokens": trained.tokens,
            }
            for name, trained in parts.controls.items()
        },
        **(
            {"general": {"name": general.name, "parameters": general.parameters}} if general else {}
        ),
    }
