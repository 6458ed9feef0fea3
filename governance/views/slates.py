"""Slates: ballots that members recommend. Others begin with one; it casts nothing."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from governance import access, actions
from governance.forms import SlateForm
from governance.models import Slate
from mosaic_site.errors import Refused
from mosaic_site.members.access import member

SLATES_A_PAGE = 20


def slate_list(request: HttpRequest, pk: int) -> HttpResponse:
    round_ = access.round_for_anyone(pk)
    page = Paginator(access.slates_for_anyone(round_), SLATES_A_PAGE).get_page(
        request.GET.get("page")
    )
    return render(request, "governance/slate_list.html", {"round": round_, "page": page})


def slate_detail(request: HttpRequest, pk: int) -> HttpResponse:
    slate = access.slate_for_anyone(pk)
    approved = list(slate.approvals.with_experts().order_by("expert__name", "pk"))
    answers = [
        {"question": question, "answer": slate.answers[str(question.pk)]}
        for question in access.questions_for_anyone(slate.round)
        if str(question.pk) in slate.answers
    ]
    context = {
        "slate": slate,
        "round": slate.round,
        "approved": approved,
        "cost": sum(candidate.cost_bytes for candidate in approved),
        "answers": answers,
        "is_own": request.user == slate.author,
    }
    return render(request, "governance/slate_detail.html", context)


@login_required
def slate_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish one's slate, or change it."""
    person, round_ = member(request), access.round_for_anyone(pk)
    own = access.slate_by(person, round_)
    form = SlateForm(
        access.candidates_as_shown_to(person, round_),
        access.questions_for_anyone(round_),
        request.POST or None,
        initial=_typed(own) if own else None,
    )
    if request.method == "POST" and form.is_valid():
        try:
            slate = actions.slate_publish(
                author=person,
                round_=round_,
                title=form.cleaned_data["title"],
                why=form.cleaned_data["why"],
                approvals=form.approved,
                answers=form.answers,
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, "Your slate is public. It casts nothing, not for you either.")
            return redirect(slate)
    return render(
        request, "governance/slate_edit.html", {"round": round_, "form": form, "own": own}
    )


def _typed(slate: Slate) -> dict[str, object]:
    """A slate as the form's fields have it."""
    approvals = list(slate.approvals.values_list("pk", flat=True))
    answers = {f"question-{pk}": answer for pk, answer in slate.answers.items()}
    return {"title": slate.title, "why": slate.why, "approvals": approvals, **answers}


@require_POST
@login_required
def slate_take_back(request: HttpRequest, pk: int) -> HttpResponse:
    slate = access.slate_owned_by(member(request), pk)
    actions.slate_take_back(author=member(request), slate=slate)
    messages.success(request, "Your slate is taken back. Ballots that began with it stay.")
    return redirect("governance:slate_list", pk=slate.round_id)
