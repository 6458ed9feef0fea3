from collections.abc import Iterable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from contributions import access, actions
from contributions.forms import PriorityForm, ReasonForm
from contributions.intake import Finding
from contributions.models import Expert, Priority
from contributions.views import guide
from mosaic_site.errors import Refused
from mosaic_site.ledger.reading import about
from mosaic_site.members.access import member, steward_required

PRIORITIES_A_PAGE = 20
PROBES_A_PAGE = 50
WARNINGS_SHOWN = 3


def best_for(priorities: Iterable[Priority]) -> dict[int, Expert]:
    """For each priority that is served, the expert that serves it best, by the priority's pk."""
    best: dict[int, tuple[float, Expert]] = {}
    eligible = access.experts_for_anyone().eligible()
    for expert in eligible.filter(priority__in=[priority.pk for priority in priorities]):
        score = expert.own_score
        reached = best.get(expert.priority_id)
        if score and (reached is None or score.score > reached[0]):
            best[expert.priority_id] = score.score, expert
    return {pk: expert for pk, (_, expert) in best.items()}


def priority_list(request: HttpRequest) -> HttpResponse:
    show = "retired" if request.GET.get("show") == "retired" else "open"
    priorities = access.priorities_for_anyone().filter(status=show)
    page = Paginator(priorities, PRIORITIES_A_PAGE).get_page(request.GET.get("page"))
    best = best_for(page)
    rows = [{"priority": priority, "best": best.get(priority.pk)} for priority in page]
    context = {"page": page, "rows": rows, "show": show}
    return render(request, "contributions/priority_list.html", context)


@login_required
def priority_new(request: HttpRequest) -> HttpResponse:
    form = PriorityForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            priority = actions.priority_declare(
                owner=member(request),
                statement=values["statement"],
                why=values["why"],
                task_type=form.task_type,
                probes=form.probes,
                once=values["once"],
            )
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "Your priority is declared. Now it can be served.")
            _warn_of(form.typed_findings + form.file_findings, request)
            return redirect(priority)
    return render(request, "contributions/priority_new.html", {"form": form})


def _warn_of(findings: list[Finding], request: HttpRequest) -> None:
    """Say which probes were left out; a few by name, the rest by number."""
    for finding in findings[:WARNINGS_SHOWN]:
        messages.warning(request, f"{finding.where}: {finding.problem} {finding.remedy}")
    if len(findings) > WARNINGS_SHOWN:
        messages.warning(request, f"… and {len(findings) - WARNINGS_SHOWN} more of this kind.")


def priority_detail(request: HttpRequest, pk: int) -> HttpResponse:
    priority = access.priority_for_anyone(pk)
    parts = priority.probes.per_part()
    probes = Paginator(priority.probes.open().order_by("position"), PROBES_A_PAGE)
    probes.count = parts["fit"] + parts["select"]  # known, so the database is not asked again
    context = {
        "priority": priority,
        "parts": parts,
        "page": probes.get_page(request.GET.get("page")),
        "experts": access.experts_for_anyone().filter(priority=priority),
        "merged": priority.merged.order_by("pk"),
        "lines": about(priority),
        "is_open": priority.status == Priority.Status.OPEN,
        "bring_data_url": guide.carry(reverse("contributions:dataset_new"), priority),
        "bring_expert_url": guide.carry(reverse("contributions:expert_new"), priority),
    }
    return render(request, "contributions/priority_detail.html", context)


@require_POST
@steward_required
def priority_retire(request: HttpRequest, pk: int) -> HttpResponse:
    priority = actions.priority_retire(
        steward=member(request),
        priority=access.priority_for_anyone(pk),
        reason=ReasonForm(request.POST).typed(),
    )
    messages.success(request, "The priority is retired. What was trained for it stays.")
    return redirect(priority)
