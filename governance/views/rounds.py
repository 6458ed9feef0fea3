"""Rounds: the list, opening one, following it, and settling its result."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from contributions.models import Expert
from governance import access, actions
from governance.explanation import explain, my_share
from governance.forms import RatifyForm, RoundForm, VetoForm, suggested_budget
from governance.models import Candidate, Round
from mosaic_site.errors import Refused
from mosaic_site.members.access import member, steward_required
from mosaic_site.members.models import User


def round_list(request: HttpRequest) -> HttpResponse:
    """The open round on top, then the past ones with what came of them."""
    rounds = access.rounds_for_anyone()
    page = Paginator(rounds.exclude(status=Round.Status.OPEN), 20).get_page(request.GET.get("page"))
    context = {"open_round": rounds.filter(status=Round.Status.OPEN).first(), "page_obj": page}
    return render(request, "governance/round_list.html", context)


@steward_required
def round_new(request: HttpRequest) -> HttpResponse:
    """Open a round over all experts that are eligible now, on the active base."""
    experts = list(Expert.objects.for_ballot().with_people().order_by("adapter_bytes", "name"))
    members = User.objects.filter(is_active=True).count()
    suggested = {
        "budget": suggested_budget(experts),
        "quorum": -(-members // 3),
        "lasts": 1,
        "unit": "days",
    }
    form = RoundForm(request.POST or None, initial=suggested)
    if request.method == "POST" and form.is_valid():
        try:
            round_ = actions.round_open(
                steward=member(request),
                title=form.cleaned_data["title"],
                budget_bytes=form.budget_bytes,
                quorum=form.cleaned_data["quorum"],
                closes_at=timezone.now() + form.cleaned_data["length"],
                once=form.cleaned_data["once"],
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, f"“{round_}” is open. Every member can vote now.")
            return redirect(round_)
    context = {
        "form": form,
        "experts": experts,
        "total": sum(expert.adapter_bytes for expert in experts),
        "members": members,
        "open_round": Round.objects.filter(status=Round.Status.OPEN).first(),
    }
    return render(request, "governance/round_new.html", context)


def round_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A round for everybody: while it is open without any tally, afterwards with all reasons."""
    return _show(request, access.round_for_anyone(pk))


def _show(
    request: HttpRequest,
    round_: Round,
    ratify_form: RatifyForm | None = None,
    veto_form: VetoForm | None = None,
) -> HttpResponse:
    candidates = list(access.candidates_for_anyone(round_))
    if round_.status == Round.Status.OPEN:
        return _voting(request, round_, candidates)
    if request.headers.get("HX-Request"):  # the page was watching an open round: show the result
        return HttpResponseClientRefresh()
    decision = round_.outcome
    viewer = request.user if isinstance(request.user, User) else None
    context = {
        "round": round_,
        "candidates": candidates,
        "explanation": explain(decision, candidates) if decision else None,
        "mine": (
            my_share(decision, access.approvals_of(viewer, round_), viewer, candidates)
            if decision and viewer
            else None
        ),
        # The floor above builds it; this one only points there.
        "release": getattr(decision, "release", None),
        "may_settle": (
            round_.status == Round.Status.PROVISIONAL and viewer is not None and viewer.is_steward
        ),
        "ratify_form": ratify_form or RatifyForm(auto_id="ratify_%s"),
        "veto_form": veto_form or VetoForm(auto_id="veto_%s"),
    }
    return render(request, "governance/round_result.html", context)


def _voting(request: HttpRequest, round_: Round, candidates: list[Candidate]) -> HttpResponse:
    viewer = request.user if isinstance(request.user, User) else None
    context = {
        "round": round_,
        "candidates": candidates,
        "total": sum(candidate.cost_bytes for candidate in candidates),
        "refusal": round_.refusal_for(viewer) if viewer else "",
        "ballot": access.ballot_of(viewer, round_) if viewer else None,
    }
    return render(request, "governance/round_voting.html", context)


@require_POST
@steward_required
def round_ratify(request: HttpRequest, pk: int) -> HttpResponse:
    round_ = access.round_for_anyone(pk)
    form = RatifyForm(request.POST, auto_id="ratify_%s")
    if not form.is_valid():
        return _show(request, round_, ratify_form=form)
    actions.round_ratify(steward=member(request), round_=round_, reason=form.cleaned_data["reason"])
    messages.success(request, "The result is ratified. The workers compose the release now.")
    return redirect(round_)


@require_POST
@steward_required
def round_veto(request: HttpRequest, pk: int) -> HttpResponse:
    round_ = access.round_for_anyone(pk)
    form = VetoForm(request.POST, auto_id="veto_%s")
    if not form.is_valid():
        return _show(request, round_, veto_form=form)
    actions.round_veto(steward=member(request), round_=round_, reason=form.cleaned_data["reason"])
    messages.success(request, "The result is vetoed. The live release stays.")
    return redirect(round_)
