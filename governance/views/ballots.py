"""Voting: the ballot, a look back over it, and the cast. Only the last one writes."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from governance import access, actions
from governance.forms import NOT_STANDING, BallotForm
from governance.models import Candidate, Round
from mosaic_site.errors import Refused
from mosaic_site.members.access import member


def _cost(candidates: list[Candidate], approved: frozenset[int]) -> int:
    return sum(candidate.cost_bytes for candidate in candidates if candidate.pk in approved)


def _turned_away(request: HttpRequest, round_: Round, refusal: str) -> HttpResponse:
    messages.error(request, refusal)
    return redirect(round_)


@never_cache
@login_required
def ballot(request: HttpRequest, pk: int) -> HttpResponse:
    """The ballot: what stands in the round, with evidence and cost. Choosing writes nothing.

    A POST comes from the review, with a choice to be changed.
    """
    person, round_ = member(request), access.round_for_anyone(pk)
    if refusal := round_.refusal_for(person):
        return _turned_away(request, round_, refusal)
    candidates = access.candidates_as_shown_to(person, round_)
    start = access.starting_point(person, round_)
    approved = start.approved
    if request.method == "POST":
        form = BallotForm(candidates, request.POST)
        if form.is_valid():
            approved = frozenset(form.cleaned_data["approvals"])
    chosen_last = access.experts_chosen_last()
    context = {
        "round": round_,
        "start": start,
        "rows": [
            {
                "candidate": candidate,
                "expert": candidate.expert,
                "evidence": candidate.expert.evidence.get("own"),
                "approved": candidate.pk in approved,
                "chosen_last": candidate.expert_id in chosen_last,
            }
            for candidate in candidates
        ],
        "count": len(approved),
        "cost": _cost(candidates, approved),
    }
    return render(request, "governance/ballot_edit.html", context)


@never_cache
@login_required
def ballot_review(request: HttpRequest, pk: int) -> HttpResponse:
    """What the ballot says, before it is cast. The choice travels in the form, nowhere else."""
    person, round_ = member(request), access.round_for_anyone(pk)
    if request.method != "POST":
        return redirect("governance:ballot", pk=pk)
    if refusal := round_.refusal_for(person):
        return _turned_away(request, round_, refusal)
    candidates = access.candidates_as_shown_to(person, round_)
    form = BallotForm(candidates, request.POST)
    if not form.is_valid():
        messages.error(request, NOT_STANDING)
        return redirect("governance:ballot", pk=pk)
    approved = frozenset(form.cleaned_data["approvals"])
    cost = _cost(candidates, approved)
    context = {
        "round": round_,
        "approved": [candidate for candidate in candidates if candidate.pk in approved],
        "others": [candidate for candidate in candidates if candidate.pk not in approved],
        "cost": cost,
        "bar": min(cost, round_.budget_bytes),
    }
    return render(request, "governance/ballot_review.html", context)


@require_POST
@login_required
def ballot_cast(request: HttpRequest, pk: int) -> HttpResponse:
    person, round_ = member(request), access.round_for_anyone(pk)
    form = BallotForm(list(round_.candidates.all()), request.POST)
    if not form.is_valid():
        messages.error(request, NOT_STANDING)
        return redirect("governance:ballot", pk=pk)
    try:
        actions.ballot_cast(voter=person, round_=round_, approvals=form.cleaned_data["approvals"])
    except Refused as refusal:
        return _turned_away(request, round_, str(refusal))
    messages.success(request, "Your ballot is cast. You can change it until the round closes.")
    return redirect(round_)
