"""Jobs and releases for tests, made by the same actions that the workers and stewards use."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from contributions.actions import base_register, expert_approve
from contributions.models import Base, Expert
from governance import actions as governance
from governance.models import Round
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_expert, make_priority
from training_workers import actions
from training_workers.engine.base_facts import POCKET, describe_base
from training_workers.engine.reporting import release_report
from training_workers.models import Job, Release


def register_pocket() -> Base:
    """The shipped base, made the community's active one."""
    facts = describe_base(str(POCKET))
    return base_register(
        name="pocket",
        source=str(POCKET),
        revision="",
        sha256=facts.sha256,
        parameters=facts.parameters,
        context_length=facts.context_length,
        licence="",
        activate=True,
    )


def make_job(owner: User, steward: User, *, name: str = "") -> Job:
    """A queued training job of an approved expert."""
    expert = expert_approve(steward=steward, expert=make_expert(owner, name=name))
    actions.reconcile()
    return Job.objects.get(expert=expert)


def begin(job: Job, *, worker: str = "bench:1") -> Job:
    """Let a worker take the job, which must be the next in the queue."""
    taken = actions.job_claim_next(worker=worker)
    assert taken is not None and taken.pk == job.pk
    return taken


def step(job: Job, number: int, *, of: int = 100, loss: float = 1.0) -> None:
    """One progress event of training."""
    actions.job_report(
        job=job,
        kind="progress",
        data={
            "phase": "training",
            "step": number,
            "steps": of,
            "loss": loss,
            "tokens": number * 1000,
            "tokens_per_second": 2345.0,
            "seconds_left": 12.0,
            "memory_mib": 345.0,
        },
    )


def provisional_round(steward: User, experts: Sequence[Expert], *, title: str = "Round") -> Round:
    """A round in which the steward approved everything, closed by the clock and tallied."""
    with time_machine.travel(timezone.now() - timedelta(minutes=9), tick=False):
        round_ = governance.round_open(
            steward=steward,
            title=title,
            budget_bytes=sum(expert.adapter_bytes for expert in experts),
            quorum=1,
            closes_at=timezone.now() + timedelta(minutes=8),
        )
        approvals = list(round_.candidates.values_list("pk", flat=True))
        governance.ballot_cast(voter=steward, round_=round_, approvals=approvals)
    return governance.round_advance(round_id=round_.pk)


def composing_release(steward: User, experts: Sequence[Expert]) -> Release:
    """A ratified round's release, its composing queued."""
    round_ = provisional_round(steward, experts)
    governance.round_ratify(steward=steward, round_=round_)
    actions.reconcile()
    release: Release = Release.objects.get(decision__round=round_)
    return release


def report_of(experts: Sequence[Expert]) -> dict[str, Any]:
    """The engine's report for a mosaic that answers each expert's own probes right."""
    names = [str(expert.pk) for expert in experts]
    groups = [expert.priority.statement for expert in experts for _ in range(20)]
    owner_of = [name for name in names for _ in range(20)]
    report = release_report(
        groups=groups,
        base=[False] * len(groups),
        experts={name: [name == owner for owner in owner_of] for name in names},
        best_single=names[0],
        mosaic=[True] * len(groups),
        routes=owner_of,
        owners={expert.priority.statement: [str(expert.pk)] for expert in experts},
        monolith=[row % 3 > 0 for row in range(len(groups))],
    )
    best = {"score": 0.9, "low": 0.8, "high": 1.0}
    return report | {
        "strategy": "nearest",
        "why": "nearest is best on the select probes and harms nobody.",
        "candidates": [
            {"name": "best_single", "estimate": best, "harmed": [], "cost": 1},
            {"name": "nearest", "estimate": best, "harmed": [], "cost": 2},
        ],
        "priority_ids": {expert.priority.statement: expert.priority_id for expert in experts},
        "expert_names": {str(expert.pk): expert.name for expert in experts},
        "tokens": {"experts": 120_000, "monolith": 119_500},
        "monolith": {"sha256": "c" * 64, "seconds": 31.5},
    }


def go_live(release: Release) -> Release:
    """Let a worker finish the composing, which must be the next in the queue."""
    job = actions.job_claim_next(worker="bench:1")
    assert job is not None and job.release_id == release.pk
    experts = [member.expert for member in release.members.select_related("expert__priority")]
    report = report_of(experts)
    actions.job_finish(job=job)
    return actions.release_go_live(
        release=release,
        strategy="nearest",
        strategy_folder=f"{release.stored_below}/strategy",
        report=report,
        credits={int(name): share for name, share in report["credit"].items()},
    )


def make_live_release(owner: User, steward: User, *, experts: int = 2) -> Release:
    made = [
        make_eligible_expert(owner, steward, priority=make_priority(owner)) for _ in range(experts)
    ]
    return go_live(composing_release(steward, made))
