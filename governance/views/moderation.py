"""Keeping what members write fit to read: reports, answers, the policy and the log."""

import csv
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from governance import access, actions
from governance.actions.moderation import Ground
from governance.forms import AnswerForm, ReportForm
from governance.models import Comment, Thing
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from mosaic_site.members.access import member, steward_required
from mosaic_site.members.models import User

A_PAGE = 20
VERBS = {
    "removed": "removed",
    "kept": "kept",
    "removal_upheld": "removal upheld",
    "restored": "put back",
}
DOORS: dict[str, Callable[[int], Thing]] = {
    "comment": access.comment_for_anyone,
    "proposal": access.proposal_for_anyone,
    "slate": access.slate_for_anyone,
}
"""How each kind of thing that can be reported is got."""


def detail(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """One thing that can be reported, and what the viewer can do about it."""
    return _show(request, DOORS[kind](pk))


def _show(
    request: HttpRequest,
    thing: Thing,
    report_form: ReportForm | None = None,
    answer_form: AnswerForm | None = None,
) -> HttpResponse:
    viewer = request.user if isinstance(request.user, User) else None
    own = viewer is not None and viewer.pk == thing.author_id
    removed = thing.removed_at is not None
    # Its author may ask about its removal, everybody else about what can be read.
    steward = viewer is not None and viewer.is_steward
    may_report = (
        viewer is not None
        and own == removed
        and thing.removed_by_id != viewer.pk
        and (own or not steward)  # a steward answers at once
    )
    context = {
        "thing": thing,
        "read_at": thing.proposal if isinstance(thing, Comment) else thing,
        "own": own,
        "may_take_back": own and not removed and isinstance(thing, Comment),
        "may_report": may_report,
        "report_url": _url("report", thing.noun, thing.pk),
        "report_form": report_form or ReportForm(contest=own, auto_id="report_%s"),
        "reports": access.reports_for_stewards(thing) if steward else [],
        "answer_url": _url("answer", thing.noun, thing.pk),
        "answer_form": answer_form or (AnswerForm(auto_id="answer_%s") if steward else None),
    }
    return render(request, "governance/moderation_detail.html", context)


@require_POST
@login_required
def report(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    person, thing = member(request), DOORS[kind](pk)
    contest = person.pk == thing.author_id
    form = ReportForm(request.POST, contest=contest, auto_id="report_%s")
    if not form.is_valid():
        return _show(request, thing, report_form=form)
    try:
        actions.report_make(member=person, thing=thing, reason=form.full_reason)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return _show(request, thing)
    messages.success(request, "The stewards will look at it, and you will be told their answer.")
    return redirect(thing.proposal if isinstance(thing, Comment) else thing)


@require_POST
@login_required
def comment_remove(request: HttpRequest, pk: int) -> HttpResponse:
    comment = access.comment_owned_by(member(request), pk)
    actions.comment_remove(author=member(request), comment=comment)
    messages.success(request, "You took your comment back.")
    return redirect(comment.proposal)


@require_POST
@steward_required
def answer(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    thing = DOORS[kind](pk)
    form = AnswerForm(request.POST, auto_id="answer_%s")
    if not form.is_valid():
        return _show(request, thing, answer_form=form)
    found = form.cleaned_data["found"]
    remove = found != AnswerForm.KEEP
    try:
        actions.report_answer(
            steward=member(request),
            thing=thing,
            remove=remove,
            ground=found if remove else "",
            reason=form.cleaned_data["reason"],
        )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _show(request, thing, answer_form=form)
    messages.success(request, f"The {thing.noun} {'is removed' if remove else 'stands'}.")
    return redirect("governance:moderation_queue")


@steward_required
def moderation_queue(request: HttpRequest) -> HttpResponse:
    """What waits for a steward, the longest wait first."""
    page = Paginator(access.reports_waiting(), A_PAGE).get_page(request.GET.get("page"))
    context = {"page_obj": page, "waiting": access.waiting_things(list(page))}
    return render(request, "governance/moderation_queue.html", context)


def moderation_policy(request: HttpRequest) -> HttpResponse:
    context = {
        "grounds": Ground.labels,
        "most_comments": settings.MOSAIC_COMMENTS_AN_HOUR,
        "most_proposals": settings.MOSAIC_PROPOSALS_AN_HOUR,
        "most_reports": settings.MOSAIC_REPORTS_AN_HOUR,
    }
    return render(request, "governance/moderation_policy.html", context)


def moderation_log(request: HttpRequest) -> HttpResponse:
    """Every answer ever given, as the ledger has it; what was said is not in it."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="moderation-log.csv"'
    rows = csv.writer(response)
    rows.writerow(["date", "what", "kind", "by", "ground", "reason", "where", "link"])
    logged = [f"{kind}.{verb}" for kind in DOORS for verb in VERBS]
    for entry in Entry.objects.filter(action__in=logged).order_by("sequence"):
        kind, verb = entry.action.split(".")
        link = _url("moderation", kind, entry.data[kind])
        rows.writerow(
            _plain(cell)
            for cell in (
                entry.at.isoformat(timespec="seconds"),
                VERBS[verb],
                kind,
                entry.who,
                entry.data["ground"],
                entry.reason,
                entry.subject_name,
                request.build_absolute_uri(link),
            )
        )
    return response


def _url(name: str, kind: str, pk: int) -> str:
    return reverse(f"governance:{kind}_{name}", args=[pk])


def _plain(cell: str) -> str:
    """As a spreadsheet must not run it: https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
