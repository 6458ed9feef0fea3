"""What the workers' floor adds to the page of an expert or a release, which lies below it."""

from collections.abc import Sequence
from typing import Any

from django import template
from django.template.context import Context

from contributions.models import Expert
from governance.models import Candidate, Round
from training_workers.access import may_cancel, may_prioritise
from training_workers.models import Job, Release, ReleaseExpert
from training_workers.panel import panel_of

register = template.Library()

NEWEST = 6


def _live(context: Context, job: Job | None) -> dict[str, Any]:
    request = context["request"]
    return {
        "panel": panel_of(job) if job else None,
        "may_cancel": job is not None and may_cancel(request.user, job),
        "may_prioritise": job is not None and may_prioritise(request.user, job),
        "csrf_token": context["csrf_token"],
        "update": False,
    }


@register.inclusion_tag("training_workers/_live_job.html", takes_context=True)
def job_panel(context: Context, job: Job | None) -> dict[str, Any]:
    """`{% job_panel job %}`: a job as it is now, kept up to date over a socket."""
    return _live(context, job)


@register.inclusion_tag("training_workers/_training_panel.html", takes_context=True)
def training_panel(context: Context, expert: Expert) -> dict[str, Any]:
    """`{% training_panel expert %}`: the expert's newest job, or what will bring one.

    Between the approval and the job's row lie a moment or two: `awaited` says so.
    """
    job = expert.jobs.select_related("expert__owner", "release").first()
    awaited = expert.status == Expert.Status.APPROVED and (job is None or not job.is_active)
    return {"expert": expert, "awaited": awaited} | _live(context, None if awaited else job)


@register.inclusion_tag("training_workers/_expert_fate.html")
def expert_fate(expert: Expert) -> dict[str, Any]:
    """`{% expert_fate expert %}`: the newest rounds it stood in and releases that hold it."""
    candidacies = expert.candidacies.select_related("round").prefetch_related("round__decisions")
    memberships = expert.memberships.select_related("release")
    return {
        "expert": expert,
        "candidacies": candidacies.order_by("-round__opens_at", "-id")[:NEWEST],
        "memberships": memberships.order_by("-release__number")[:NEWEST],
    }


@register.inclusion_tag("training_workers/_depends_on.html")
def depends_on(experts: Sequence[Expert]) -> dict[str, Any]:
    """`{% depends_on experts %}`: the newest rounds and releases that these experts stand in."""
    candidacies = Candidate.objects.filter(expert__in=experts).select_related("round", "expert")
    memberships = ReleaseExpert.objects.filter(expert__in=experts)
    memberships = memberships.select_related("release", "expert").order_by("-release__number")
    rounds: dict[Round, list[str]] = {}
    for candidate in candidacies.order_by("-round__opens_at", "expert__name"):
        rounds.setdefault(candidate.round, []).append(candidate.expert.name)
    releases: dict[Release, list[str]] = {}
    for member in memberships:
        releases.setdefault(member.release, []).append(member.expert.name)
    # The live one first, however old it is.
    newest = sorted(releases.items(), key=lambda item: item[0].status != Release.Status.LIVE)
    return {"rounds": list(rounds.items())[:NEWEST], "releases": newest[:NEWEST]}
