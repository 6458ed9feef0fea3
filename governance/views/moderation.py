"""Keeping discussions fit to read: reports, the stewards' answers, the policy and the log."""

import csv

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from governance import access, actions
from governance.actions.comments import MOST_AN_HOUR, Ground
from governance.forms import AnswerForm, ReportForm
from governance.models import Comment
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from mosaic_site.members.access import member, steward_required
from mosaic_site.members.models import User

COMMENTS_A_PAGE = 20
LOGGED = {
    "comment.removed": "removed",
    "comment.kept": "kept",
    "comment.removal_upheld": "removal upheld",
    "comment.restored": "put back",
}


def comment_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One comment, and what the viewer can do about it."""
    return _show(request, access.comment_for_anyone(pk))


def _contests(person: User, comment: Comment) -> bool:
    return comment.author_id == person.pk


def _show(
    request: HttpRequest,
    comment: Comment,
    report_form: ReportForm | None = None,
    answer_form: AnswerForm | None = None,
) -> HttpResponse:
    viewer = request.user if isinstance(request.user, User) else None
    own = viewer is not None and _contests(viewer, comment)
    removed = comment.removed_at is not None
    # Its author may ask about its removal, everybody else about what can be read.
    steward = viewer is not None and viewer.is_steward
    may_report = (
        viewer is not None
        and own == removed
        and comment.removed_by_id != viewer.pk
        and (own or not steward)  # a steward answers at once
    )
    context = {
        "comment": comment,
        "own": own,
        "may_take_back": own and not removed,
        "may_report": may_report,
        "report_form": report_form or ReportForm(contest=own, auto_id="report_%s"),
        "reports": access.reports_for_stewards(comment) if steward else [],
        "answer_form": answer_form or (AnswerForm(auto_id="answer_%s") if steward else None),
    }
    return render(request, "governance/comment_detail.html", context)


@require_POST
@login_required
def comment_report(request: HttpRequest, pk: int) -> HttpResponse:
    person, comment = member(request), access.comment_for_anyone(pk)
    form = ReportForm(request.POST, contest=_contests(person, comment), auto_id="report_%s")
    if not form.is_valid():
        return _show(request, comment, report_form=form)
    try:
        actions.comment_report(member=person, comment=comment, reason=form.full_reason)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return _show(request, comment)
    messages.success(request, "The stewards will look at it, and you will be told their answer.")
    return redirect(comment.proposal)


@require_POST
@login_required
def comment_remove(request: HttpRequest, pk: int) -> HttpResponse:
    comment = access.comment_owned_by(member(request), pk)
    actions.comment_remove(author=member(request), comment=comment)
    messages.success(request, "You took your comment back.")
    return redirect(comment.proposal)


@require_POST
@steward_required
def comment_answer(request: HttpRequest, pk: int) -> HttpResponse:
    comment = access.comment_for_anyone(pk)
    form = AnswerForm(request.POST, auto_id="answer_%s")
    if not form.is_valid():
        return _show(request, comment, answer_form=form)
    found = form.cleaned_data["found"]
    remove = found != AnswerForm.KEEP
    try:
        actions.report_answer(
            steward=member(request),
            comment=comment,
            remove=remove,
            ground=found if remove else "",
            reason=form.cleaned_data["reason"],
        )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _show(request, comment, answer_form=form)
    messages.success(request, f"The comment {'is removed' if remove else 'stands'}.")
    return redirect("governance:moderation_queue")


@steward_required
def moderation_queue(request: HttpRequest) -> HttpResponse:
    """What waits for a steward, the longest wait first."""
    page = Paginator(access.comments_waiting(), COMMENTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "governance/moderation_queue.html", {"page_obj": page})


def moderation_policy(request: HttpRequest) -> HttpResponse:
    context = {"grounds": Ground.labels, "most_an_hour": MOST_AN_HOUR}
    return render(request, "governance/moderation_policy.html", context)


def moderation_log(request: HttpRequest) -> HttpResponse:
    """Every answer ever given, as the ledger has it; what was said in the comment is not in it."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="moderation-log.csv"'
    rows = csv.writer(response)
    rows.writerow(["date", "what", "by", "ground", "reason", "proposal", "comment"])
    for entry in Entry.objects.filter(action__in=LOGGED).order_by("sequence"):
        pk = entry.data["comment"]
        rows.writerow(
            _plain(cell)
            for cell in (
                entry.at.isoformat(timespec="seconds"),
                LOGGED[entry.action],
                entry.who,
                entry.data["ground"],
                entry.reason,
                entry.subject_name,
                request.build_absolute_uri(reverse("governance:comment_detail", args=[pk])),
            )
        )
    return response


def _plain(cell: str) -> str:
    """As a spreadsheet must not run it: https://owasp.org/www-community/attacks/CSV_Injection"""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
