"""Rounds: the list, planning one, following it, and settling its result."""

from collections.abc import Sequence
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRefresh

from contributions.forms import ReasonForm
from contributions.models import Expert
from governance import access, actions
from governance.explanation import Explanation, earlier_counts, explain, my_share
from governance.forms import (
    MIB,
    CancelForm,
    RatifyForm,
    RoundForm,
    RoundPlanForm,
    VetoForm,
    suggested_budget,
)
from governance.models import Proposal, Round, Veto
from governance.receipts import kept_receipts
from mosaic_site.errors import Refused
from mosaic_site.members.access import member, steward_required
from mosaic_site.members.models import User

CANDIDATES_A_PAGE = 25
REASONS_A_PAGE = 25


def round_list(request: HttpRequest) -> HttpResponse:
    """The open round on top, what is planned, then the past ones with what came of them."""
    rounds = access.rounds_for_anyone()
    page = Paginator(rounds.over(), 20).get_page(request.GET.get("page"))
    context = {
        "open_round": rounds.filter(status=Round.Status.OPEN).first(),
        "to_come": rounds.to_come(),
        "page_obj": page,
    }
    return render(request, "governance/round_list.html", context)


@steward_required
def round_new(request: HttpRequest) -> HttpResponse:
    """Plan a round over all experts that are eligible by then, on the active base."""
    experts = list(Expert.objects.for_ballot().with_people().order_by("adapter_bytes", "name"))
    members = User.objects.filter(is_active=True).count()
    suggested = {
        "budget": suggested_budget(experts),
        "quorum": -(-members // 3),
        "lasts": 1,
        "unit": "days",
        "discussion": 0,
        "contest": 24,
    }
    form = RoundForm(request.POST or None, initial=suggested)
    if request.method == "POST" and form.is_valid():
        opens_at = timezone.now() + timedelta(hours=form.cleaned_data["discussion"])
        try:
            round_ = actions.round_schedule(
                steward=member(request),
                title=form.cleaned_data["title"],
                budget_bytes=form.budget_bytes,
                quorum=form.cleaned_data["quorum"],
                opens_at=opens_at,
                closes_at=opens_at + form.cleaned_data["length"],
                contest_lasts=timedelta(hours=form.cleaned_data["contest"]),
                once=form.cleaned_data["once"],
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            now_open = round_.status == Round.Status.OPEN
            what = "is open. Every member can vote now." if now_open else "is planned."
            messages.success(request, f"“{round_}” {what}")
            return redirect(round_)
    context = {
        "form": form,
        "experts": experts,
        "questions": list(Proposal.objects.ready().prefetch_related("versions")),
        "total": sum(expert.adapter_bytes for expert in experts),
        "members": members,
        "open_round": Round.objects.filter(status=Round.Status.OPEN).first(),
    }
    return render(request, "governance/round_new.html", context)


def round_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A round for everybody: before the close without any tally, afterwards with all reasons."""
    return _show(request, access.round_for_anyone(pk))


def _show(
    request: HttpRequest,
    round_: Round,
    plan_form: RoundPlanForm | None = None,
    ratify_form: RatifyForm | None = None,
    veto_form: VetoForm | None = None,
) -> HttpResponse:
    viewer = request.user if isinstance(request.user, User) else None
    if round_.takes_changes:
        return _planned(request, round_, viewer, plan_form)
    if not round_.is_over:
        return _voting(request, round_, viewer)
    candidates = list(access.candidates_for_anyone(round_))
    if request.headers.get("HX-Request"):  # the page was watching an open round: show the result
        return HttpResponseClientRefresh()
    decision = round_.outcome
    own = (
        access.ballot_of(viewer, round_, kept_receipts(request, viewer))
        if decision and viewer
        else None
    )
    winners = set(decision.winner_ids) if decision else set()
    explanation = explain(decision, candidates) if decision else None
    context = {
        "round": round_,
        "candidates": candidates,
        "decision": decision,
        "explanation": explanation,
        **_parts(request, explanation),
        "mine": my_share(decision, own, candidates) if decision else None,
        "own": own,
        "has_lost_sight": bool(
            decision and viewer and own is None and _has_lost_sight(viewer, round_)
        ),
        "earlier": earlier_counts(list(round_.decisions.all()), candidates),
        "questions": _answered(round_) if decision else [],
        "vetoes": list(
            round_.vetoes.select_related("candidate__expert", "moved_by", "seconded_by")
        ),
        # The floor above builds it; this one only points there.
        "release": next(iter(decision.releases.all()), None) if decision else None,
        "veto_lasts": Veto.LASTS.total_seconds(),
        "may_settle": (
            round_.status == Round.Status.PROVISIONAL and viewer is not None and viewer.is_steward
        ),
        "ratify_form": ratify_form or RatifyForm(auto_id="ratify_%s"),
        "veto_form": veto_form
        or VetoForm([one for one in candidates if one.pk in winners], auto_id="veto_%s"),
    }
    return render(request, "governance/round_result.html", context)


def _parts(request: HttpRequest, explanation: Explanation | None) -> dict[str, object]:
    """The lists of a result are read in `parts`: the same stretch of each."""
    if explanation is None:
        return {}
    lists: dict[str, Sequence[object]] = {
        "joined": explanation.joined,
        "left_out": explanation.left_out,
        "draws": explanation.draws,
    }
    longest = range(max(len(one) for one in lists.values()))
    parts = Paginator(longest, REASONS_A_PAGE).get_page(request.GET.get("page"))
    first = parts.start_index() - 1 if longest else 0
    shown = {name: one[first : parts.end_index()] for name, one in lists.items()}
    return {"parts": parts, **shown}


def _has_lost_sight(viewer: User, round_: Round) -> bool:
    """Whether there is a ballot of this person that the site itself can no longer find."""
    if round_.ballot_key:
        return False
    elector = access.elector_of(viewer, round_)
    return elector is not None and elector.voted


def _answered(round_: Round) -> list[dict[str, object]]:
    """Each question with what came of it."""
    results = {int(one["id"]): one for one in round_.outcome.questions} if round_.outcome else {}
    return [
        {"question": question, "result": results[question.pk]["result"]}
        for question in access.questions_for_anyone(round_)
        if question.pk in results
    ]


def _planned(
    request: HttpRequest, round_: Round, viewer: User | None, plan_form: RoundPlanForm | None
) -> HttpResponse:
    experts = list(Expert.objects.for_ballot().with_people().order_by("adapter_bytes", "name"))
    may_plan = viewer is not None and viewer.is_steward
    plan = {
        "title": round_.title,
        "budget": f"{round_.budget_bytes / MIB:.2f}",
        "quorum": round_.quorum,
    }
    context = {
        "round": round_,
        "experts": experts,
        "total": sum(expert.adapter_bytes for expert in experts),
        "questions": list(Proposal.objects.ready().prefetch_related("versions")),
        "may_plan": may_plan,
        "plan_form": plan_form or RoundPlanForm(initial=plan, auto_id="plan_%s"),
        "cancel_form": CancelForm(auto_id="cancel_%s"),
    }
    return render(request, "governance/round_planned.html", context)


def _voting(request: HttpRequest, round_: Round, viewer: User | None) -> HttpResponse:
    candidates = list(access.candidates_for_anyone(round_))
    context = {
        "round": round_,
        "page_obj": Paginator(candidates, CANDIDATES_A_PAGE).get_page(request.GET.get("page")),
        "questions": access.questions_for_anyone(round_),
        "total": sum(candidate.cost_bytes for candidate in candidates),
        "refusal": round_.refusal_for(viewer) if viewer else "",
        "elector": access.elector_of(viewer, round_) if viewer else None,
        "ballot": access.ballot_of(viewer, round_) if viewer else None,
        "slates": round_.slates.count(),
        "cancel_form": (
            CancelForm(auto_id="cancel_%s")
            if viewer and viewer.is_steward and round_.status == Round.Status.FROZEN
            else None
        ),
    }
    return render(request, "governance/round_voting.html", context)


@require_POST
@steward_required
def round_change(request: HttpRequest, pk: int) -> HttpResponse:
    round_ = access.round_for_anyone(pk)
    form = RoundPlanForm(request.POST, auto_id="plan_%s")
    if not form.is_valid():
        return _show(request, round_, plan_form=form)
    actions.round_change(
        steward=member(request),
        round_=round_,
        title=form.cleaned_data["title"],
        budget_bytes=form.budget_bytes,
        quorum=form.cleaned_data["quorum"],
    )
    messages.success(request, "The plan is changed.")
    return redirect(round_)


@require_POST
@steward_required
def round_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    round_ = access.round_for_anyone(pk)
    reason = ReasonForm(request.POST).typed()
    actions.round_cancel(steward=member(request), round_=round_, reason=reason)
    messages.success(request, "The round is called off. Nobody can vote in it.")
    return redirect(round_)


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
def veto_move(request: HttpRequest, pk: int) -> HttpResponse:
    round_ = access.round_for_anyone(pk)
    decision = round_.outcome
    winners = decision.winner_ids if decision else []
    standing = {one.pk: one for one in access.candidates_for_anyone(round_) if one.pk in winners}
    form = VetoForm(list(standing.values()), request.POST, auto_id="veto_%s")
    if not form.is_valid():
        return _show(request, round_, veto_form=form)
    chosen = form.cleaned_data["candidate"]
    actions.veto_move(
        steward=member(request),
        round_=round_,
        candidate=None if chosen is None else standing[chosen],
        ground=form.cleaned_data["ground"],
        reason=form.cleaned_data["reason"],
        once=form.cleaned_data["once"],
    )
    messages.success(request, "Your veto is moved. It takes effect when another steward joins.")
    return redirect(round_)


@require_POST
@steward_required
def veto_second(request: HttpRequest, pk: int) -> HttpResponse:
    veto = access.veto_for_stewards(pk)
    veto = actions.veto_second(steward=member(request), veto=veto)
    done = "counted again without it" if veto.candidate_id else "annulled"
    messages.success(request, f"The veto has two stewards now: the round was {done}.")
    return redirect(veto.round)


@require_POST
@login_required
def veto_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    veto = access.veto_moved_by(member(request), pk)
    actions.veto_withdraw(steward=member(request), veto=veto)
    messages.success(request, "Your veto is withdrawn. It stays here to be read.")
    return redirect(veto.round)
