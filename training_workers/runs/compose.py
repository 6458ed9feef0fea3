"""Composing a release: fit and choose a strategy, train the monolith, report on sealed probes."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from contributions.models import DatasetVersion, Expert
from training_workers.actions import job_beat, job_finish, release_go_live
from training_workers.engine.composing import Choice, choose
from training_workers.engine.pool import ExpertPool
from training_workers.engine.reporting import release_report
from training_workers.engine.routing import BASE, BestSingle, DevTable
from training_workers.engine.training import Cancelled, Recipe, Trained, train_adapter
from training_workers.models import Job, Release, ReleaseExpert
from training_workers.runs.evaluating import ProbeSet, evaluate, probe_sets
from training_workers.runs.heartbeat import Heartbeat
from training_workers.runs.preparing import base_in_memory, examples_of, work_folder
from training_workers.runs.train import keep_adapter, report

MONOLITH = "monolith"
# The control reads the pooled data as often as its token budget allows.
MANY_PASSES = 1000


class NothingToCompose(Exception):
    """A release cannot be built; the message says why."""


def compose(job: Job, release: Release, heartbeat: Heartbeat) -> None:
    """Do a composing job. Raises NothingToCompose and what training raises."""
    heartbeat.report("loading the base and the experts")
    base = base_in_memory(release.base)
    standing = release.members.filter(expert__status=Expert.Status.ELIGIBLE)
    members = list(standing.select_related("expert", "expert__priority"))
    if not members:
        raise NothingToCompose("None of the experts that were chosen is there any more.")
    dev, sealed = probe_sets(["fit", "select"]), probe_sets(["sealed"])
    if not dev or not sealed:
        raise NothingToCompose("No open priority has probes, so nothing can be compared.")

    monolith = _train_monolith(job, release, members, heartbeat)
    pool = ExpertPool(base)
    for member in members:
        pool.add(str(member.expert_id), member.expert.adapter_path)
    pool.add(MONOLITH, _adapter_path(monolith))
    experts = {str(member.expert_id): member.adapter_sha256 for member in members}
    groups = group_names(dev + sealed)

    def results(sets: list[ProbeSet], adapters: dict[str, str], phase: str) -> DevTable:
        found = evaluate(
            pool, base, adapters, sets, heartbeat.counting(phase), heartbeat.should_stop
        )
        if heartbeat.should_stop():
            raise Cancelled
        return DevTable(
            prompts=[probe.prompt for probes in sets for probe in probes.probes],
            groups=[groups[probes.priority.pk] for probes in sets for _ in probes.probes],
            correct={
                name: [right for probes in sets for right in found[probes.sha256][name]]
                for name in adapters
            },
        )

    with_base = {BASE: "", **experts}
    fit = results([s for s in dev if s.part == "fit"], with_base, "evaluating for the choice")
    select = results([s for s in dev if s.part == "select"], with_base, "evaluating for the choice")
    heartbeat.report("choosing the strategy")
    choice = choose(fit, select, {})
    # The sealed probes are looked at once, after the choice is made.
    test = results(sealed, {**with_base, MONOLITH: monolith.sha256}, "evaluating on sealed probes")
    single = BestSingle.fit(fit.joined(select)).route("").expert or BASE
    content = _report(choice, test, single, members, groups, monolith)
    folder = f"releases/{release.number}"
    choice.strategy.save(Path(settings.MEDIA_ROOT) / folder)
    credit = content["credit"]
    with transaction.atomic():
        if not job_beat(job=job):
            raise Cancelled
        job_finish(job=job)
        release_go_live(
            release=release,
            strategy=choice.strategy.name,
            strategy_folder=folder,
            report=content,
            credits={int(name): share for name, share in credit.items()},
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


def _adapter_path(trained: Trained) -> Path:
    return Path(settings.MEDIA_ROOT) / "adapters" / trained.sha256


def _train_monolith(
    job: Job, release: Release, members: Sequence[ReleaseExpert], heartbeat: Heartbeat
) -> Trained:
    """The control: one adapter of the same rank on everybody's data, with as many tokens as all
    experts together."""
    experts = [member.expert for member in members]
    versions = DatasetVersion.objects.filter(experts__in=experts).distinct()
    ranks = [Recipe.from_dict(expert.recipe).rank for expert in experts]
    recipe = Recipe(
        rank=max(ranks),
        alpha=2 * max(ranks),
        passes=MANY_PASSES,
        max_tokens=sum(expert.tokens for expert in experts),
    )
    work = work_folder(job)
    trained = train_adapter(
        base_in_memory(release.base),
        examples_of(versions),
        recipe,
        out=work / "adapter",
        work=work / "checkpoint",
        on_progress=lambda progress: report(heartbeat, "training the monolith", progress),
        should_stop=heartbeat.should_stop,
    )
    keep_adapter(work / "adapter", trained.sha256)
    return trained


def _report(
    choice: Choice,
    test: DevTable,
    single: str,
    members: Sequence[ReleaseExpert],
    groups: dict[int, str],
    monolith: Trained,
) -> dict[str, Any]:
    """The release report, with what the site knows besides."""
    routes = [route.expert for route in choice.strategy.route_many(test.prompts)]
    owners: dict[str, list[str]] = {group: [] for group in groups.values()}
    for member in members:
        if member.expert.priority_id in groups:
            owners[groups[member.expert.priority_id]].append(str(member.expert_id))
    content = release_report(
        groups=test.groups,
        base=test.correct[BASE],
        experts={str(member.expert_id): test.correct[str(member.expert_id)] for member in members},
        best_single=single,
        mosaic=[test.correct[route or BASE][row] for row, route in enumerate(routes)],
        routes=routes,
        owners=owners,
        monolith=test.correct[MONOLITH],
    )
    return {
        **content,
        "strategy": choice.strategy.name,
        "why": choice.why,
        "candidates": [asdict(candidate) for candidate in choice.candidates],
        "priority_ids": {group: pk for pk, group in groups.items()},
        "expert_names": {str(member.expert_id): member.expert.name for member in members},
        "tokens": {
            "experts": sum(member.expert.tokens for member in members),
            "monolith": monolith.tokens,
        },
        "monolith": {"sha256": monolith.sha256, "seconds": monolith.seconds},
    }
