"""A job: its page, its live panel, its place in the queue, and stopping it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from contributions.access import expert_for_anyone
from contributions.forms import ReasonForm
from mosaic_site.members.access import member, steward_required
from training_workers import access, actions
from training_workers.forms import PrioritiseForm
from training_workers.panel import panel_of


def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    context = {"job": access.job_for_anyone(pk)}
    return render(request, "training_workers/job_detail.html", context)


def job_panel(request: HttpRequest, pk: int) -> HttpResponse:
    """The panel alone, as it is now: for a page whose socket does not get through."""
    context = {"panel": panel_of(access.job_for_anyone(pk)), "update": False}
    return render(request, "training_workers/_job_panel.html", context)


def expert_training(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of an expert's page that waits for its job."""
    context = {"expert": expert_for_anyone(pk)}
    return render(request, "training_workers/_expert_training.html", context)


@require_POST
@login_required
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    person = member(request)
    job = access.job_controlled_by(person, pk)
    job = actions.job_cancel(actor=person, job=job, reason=ReasonForm(request.POST).typed())
    if job.is_active:
        messages.success(request, "Asked to stop. The worker does so at its next step.")
    else:
        messages.success(request, "The job is cancelled.")
    return redirect(job.expert or job)


@require_POST
@steward_required
def job_prioritise(request: HttpRequest, pk: int) -> HttpResponse:
    form = PrioritiseForm(request.POST)
    job = actions.job_prioritise(
        steward=member(request),
        job=access.job_for_anyone(pk),
        reason=form.typed(),
        priority=form.chosen,
    )
    messages.success(request, f"It stands {job.get_priority_display()} now.")
    return redirect(job.expert or job)
