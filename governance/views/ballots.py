"""Voting: the ballot, a look back over it, the cast, and its receipt. Only the cast writes."""

from collections.abc import Sequence

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from governance import access, actions
from governance.forms import NOT_STANDING, BallotForm
from governance.models import Candidate, Question, Round
from governance.receipts import keep_receipt, kept_receipts
from mosaic_site.errors import Refused
from mosaic_site.members.access import member

DETAILED_UP_TO = 40
"""With more candidates a row of the ballot is short, and fetches its evidence when asked."""


def _cost(candidates: list[Candidate], approved: frozenset[int]) -> int:
    return sum(candidate.cost_bytes for candidate in candidates if candidate.pk in approved)


def _turned_away(request: HttpRequest, round_: Round, refusal: str) -> HttpResponse:
    messages.error(request, refusal)
    return redirect(round_)


def _asked(questions: Sequence[Question], answers: dict[int, str]) -> list[dict[str, object]]:
    return [{"question": one, "answer": answers.get(one.pk, "")} for one in questions]


@never_cache
@login_required
def ballot(request: HttpRequest, pk: int) -> HttpResponse:
    """The ballot: what stands in the round, with evidence and cost. Choosing writes nothing.

    A POST comes from the review, with a choice to be changed; `?slate=` starts from one.
    """
    person, round_ = member(request), access.round_to_vote_in(pk)
    if refusal := round_.refusal_for(person):
        return _turned_away(request, round_, refusal)
    candidates = access.candidates_as_shown_to(person, round_)
    questions = access.questions_for_anyone(round_)
    wanted = request.GET.get("slate", "")
    slate = access.slate_of(round_, int(wanted)) if wanted.isdecimal() else None
    start = access.starting_point(person, round_, kept_receipts(request, person), slate)
    approved, answers = start.approved, start.answers
    if request.method == "POST":
        form = BallotForm(candidates, questions, request.POST)
        if form.is_valid():
            approved, answers = form.approved, form.answers
    context = {
        "round": round_,
        "start": start,
        "rows": [
            {
                "candidate": candidate,
                "expert": candidate.expert,
                "evidence": candidate.expert.evidence.get("own"),
                "approved": candidate.pk in approved,
            }
            for candidate in candidates
        ],
        "asked": _asked(questions, answers),
        "detailed": len(candidates) <= DETAILED_UP_TO,
        "count": len(approved),
        "cost": _cost(candidates, approved),
    }
    return render(request, "governance/ballot_edit.html", context)


def candidate_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The evidence on one candidate; to the ballot page only what its row lacks."""
    candidate = access.candidate_for_anyone(pk)
    context = {"candidate": candidate, "expert": candidate.expert}
    context["evidence"] = candidate.expert.evidence.get("own")
    part = bool(request.headers.get("HX-Request"))
    name = "candidate_evidence" if part else "candidate_detail"
    return render(request, f"governance/{name}.html", context)


@never_cache
@login_required
def ballot_review(request: HttpRequest, pk: int) -> HttpResponse:
    """What the ballot says, before it is cast. The choice travels in the form, nowhere else."""
    person, round_ = member(request), access.round_to_vote_in(pk)
    if request.method != "POST":
        return redirect("governance:ballot", pk=pk)
    if refusal := round_.refusal_for(person):
        return _turned_away(request, round_, refusal)
    candidates = access.candidates_as_shown_to(person, round_)
    questions = access.questions_for_anyone(round_)
    form = BallotForm(candidates, questions, request.POST)
    if not form.is_valid():
        messages.error(request, NOT_STANDING)
        return redirect("governance:ballot", pk=pk)
    cost = _cost(candidates, form.approved)
    context = {
        "round": round_,
        "approved": [candidate for candidate in candidates if candidate.pk in form.approved],
        "others": [candidate for candidate in candidates if candidate.pk not in form.approved],
        "asked": _asked(questions, form.answers),
        "cost": cost,
        "bar": min(cost, round_.budget_bytes),
    }
    return render(request, "governance/ballot_review.html", context)


@require_POST
@login_required
def ballot_cast(request: HttpRequest, pk: int) -> HttpResponse:
    person, round_ = member(request), access.round_to_vote_in(pk)
    form = BallotForm(
        list(round_.candidates.all()), access.questions_for_anyone(round_), request.POST
    )
    if not form.is_valid():
        messages.error(request, NOT_STANDING)
        return redirect("governance:ballot", pk=pk)
    try:
        cast = actions.ballot_cast(
            voter=person, round_=round_, approvals=form.approved, answers=form.answers
        )
    except Refused as refusal:
        return _turned_away(request, round_, str(refusal))
    if "mail" in request.POST:
        actions.receipt_mail(voter=person, round_=round_, receipt=cast.receipt)
    messages.success(request, "Your ballot is cast. You can change it until the round closes.")
    response = redirect("governance:ballot_receipt", pk=pk)
    keep_receipt(request, response, person, cast.receipt)
    return response


@never_cache
@login_required
def ballot_receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """The receipt of one's own ballot, and what it is good for."""
    person, round_ = member(request), access.round_to_vote_in(pk)
    own = access.ballot_of(person, round_, kept_receipts(request, person))
    if own is None:
        return _turned_away(request, round_, "There is no ballot of yours here to show.")
    context = {"round": round_, "ballot": own}
    return render(request, "governance/ballot_receipt.html", context)


def receipt_check(request: HttpRequest) -> HttpResponse:
    """Whether a ballot is in the box, and counts: for anybody who has its receipt."""
    receipt = "".join(request.GET.get("receipt", "").split()).lower()
    found = access.receipt_for_anyone(receipt)
    published = found.ballot if found else None
    context = {
        "receipt": receipt,
        "found": found,
        "check_url": reverse("governance:receipt_check"),
        "candidates": access.candidates_for_anyone(published.round) if published else [],
        "asked": (
            _asked(access.questions_for_anyone(published.round), published.answers)
            if published
            else []
        ),
    }
    return render(request, "governance/receipt_check.html", context)
