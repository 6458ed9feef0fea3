from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from contributions import access, actions, preview
from contributions.forms import AcknowledgeForm, MappingForm
from contributions.intake import Finding, Report
from contributions.models import DatasetVersion, MaskedCopy
from contributions.report_file import findings_csv, report_json
from contributions.views import guide
from mosaic_site.errors import Refused
from mosaic_site.ledger.reading import about
from mosaic_site.members.access import member

FINDINGS_A_PAGE = 10
SHAPES = {
    "text_label": "texts with labels",
    "prompt_completion": "prompts with answers",
    "chat": "conversations",
    "multiple_choice": "questions with choices",
    "plain_text": "plain text",
    "unknown": "not recognised",
}


def version_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of a version. While something is done with it the page asks for its own fragment.

    It says in `seen` what it shows, and nothing comes back until there is something new.
    """
    version = access.version_visible_to(request.user, pk)
    copy = access.masked_copy_of(version)
    waits = _waits(version, copy)
    if request.htmx and request.GET.get("seen") == waits["state"]:  # type: ignore[attr-defined]
        return HttpResponse(status=204)
    is_owner = version.dataset.owner_id == request.user.pk
    priority = guide.carried_priority(request)
    report = version.report
    context = waits | {
        "version": version,
        "dataset": version.dataset,
        "is_owner": is_owner,
        "may_withdraw": version.status != DatasetVersion.Status.WITHDRAWN
        and access.may_withdraw(request.user, version.dataset),
        "report": report,
        "next": guide.next_step(version, is_owner, priority),
        "steps": guide.steps(priority, version),
        "copy": copy,
        "masked_from": access.masked_from(version),
        "answer_form": AcknowledgeForm(),
    }
    if report:
        context |= _read(report, request)
        context |= _compared(version, is_owner or _is_steward(request))
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "contributions/_version_report.html", context)
    context["lines"] = about(version)
    return render(request, "contributions/version_detail.html", context)


def _waits(version: DatasetVersion, copy: MaskedCopy | None) -> dict[str, Any]:
    """What goes on with a version, and `state`: all of it in a word that changes with it."""
    masking = copy is not None and copy.is_under_way
    alone = version.lacks_worker or (copy is not None and copy.lacks_worker)
    position = version.queue_position() if version.status == version.Status.RECEIVED else 0
    state = f"{version.status}.{version.checked_bytes}"
    state += f".{position}" * (position > 1) + ".masking" * masking + ".alone" * alone
    return {
        "state": state,
        "watches": version.is_waiting or masking,
        "masking": masking,
        "lacks_worker": alone,
        "before": max(0, position - 1),
        "checked_share": version.checked_bytes / version.size if version.size else 0,
    }


def _is_steward(request: HttpRequest) -> bool:
    return request.user.is_authenticated and request.user.is_steward


def _read(report: Report, request: HttpRequest) -> dict[str, Any]:
    """A report as the page shows it: ten findings and ten rows at a time."""
    columns = preview.columns(report)
    rows = Paginator(report.preview, preview.ROWS_A_PAGE)
    shown = rows.get_page(request.GET.get("rows"))
    findings: Page[Finding] = Paginator(report.findings, FINDINGS_A_PAGE).get_page(
        request.GET.get("findings")
    )
    return {
        "shape": SHAPES[report.shape],
        "findings": findings,
        "unlisted": sum(report.counts[name] for name in ("errors", "warnings", "notes"))
        - len(report.findings),
        "columns": columns,
        "rows": shown,
        "cells": preview.cells([column.name for column in columns], list(shown)),
        "found": _found(report),
    }


KINDS = {
    "e-mail": "e-mail addresses",
    "phone": "telephone numbers",
    "IBAN": "bank accounts (IBAN)",
    "payment card": "payment cards",
    "key or token": "keys and tokens",
    "private key": "private keys",
}


def _found(report: Report) -> list[tuple[str, int]]:
    """Kind of personal data, in words, and how often."""
    return [(KINDS.get(kind, kind), count) for kind, count in report.personal.items() if count]


def _compared(version: DatasetVersion, with_own: bool) -> dict[str, Any]:
    """What it shares with other data; with which of the owner's, only for those who may know."""
    if not version.comparison_data:
        return {"comparison": None}
    comparison = version.comparison
    own = list(comparison.own) if with_own else []
    named = (
        {one.pk: one for one in access.versions_named(shared.version_id for shared in own)}
        if own
        else {}
    )
    return {
        "comparison": comparison,
        "own": [(named[one.version_id], one) for one in own if one.version_id in named],
    }


def version_report(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole report, to take away."""
    version, report = _checked(request, pk)
    is_owner = version.dataset.owner_id == request.user.pk
    content = report_json(version, report, for_owner=is_owner or _is_steward(request))
    response = JsonResponse(content, json_dumps_params={"indent": 1, "ensure_ascii": False})
    return _attached(response, version, "report.json")


def version_findings(request: HttpRequest, pk: int) -> HttpResponse:
    """The findings, to be worked off in a spreadsheet."""
    version, report = _checked(request, pk)
    response = HttpResponse(findings_csv(report), content_type="text/csv; charset=utf-8")
    return _attached(response, version, "findings.csv")


def _checked(request: HttpRequest, pk: int) -> tuple[DatasetVersion, Report]:
    version = access.version_visible_to(request.user, pk)
    report = version.report
    if report is None:
        raise Http404("not checked yet")
    return version, report


def _attached(response: HttpResponse, version: DatasetVersion, name: str) -> HttpResponse:
    filename = f"{version.sha256[:10]}-{name}"
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


@require_POST
@login_required
def version_recheck(request: HttpRequest, pk: int) -> HttpResponse:
    version = actions.version_recheck(version=access.version_owned_by(member(request), pk))
    messages.success(request, "It is checked once more.")
    return redirect(version)


@login_required
def version_mapping(request: HttpRequest, pk: int) -> HttpResponse:
    """Where the owner says which column is what."""
    version = access.version_owned_by(member(request), pk)
    report = version.report
    if report is None or not version.can_be_mapped:
        messages.info(request, "The columns of this version are settled.")
        return redirect(version)
    names = [column.name for column in preview.columns(report)]
    posted = request.POST if request.method == "POST" else None
    begun = version.mapping or report.mapping or {}
    form = MappingForm(posted, columns=names, mapping=begun)
    priority = guide.carried_priority(request)
    if request.method == "POST" and form.is_valid():
        version = actions.version_map(version=version, mapping=form.mapping)
        messages.success(request, "Thank you. The check goes on with these columns.")
        return redirect(guide.carry(version.get_absolute_url(), priority))
    first = preview.cells(names, report.preview[:ROWS_TO_MAP_BY])
    context = {
        "version": version,
        "dataset": version.dataset,
        "form": form,
        "fields": [(field, [row[place] for row in first]) for place, field in enumerate(form)],
        "numbers": range(1, len(first) + 1),
        "steps": guide.steps(priority, version),
    }
    return render(request, "contributions/version_mapping.html", context)


ROWS_TO_MAP_BY = 3


@require_POST
@login_required
def version_acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    version = access.version_owned_by(member(request), pk)
    form = AcknowledgeForm(request.POST)
    if not form.is_valid():
        raise Refused(" ".join(str(error) for errors in form.errors.values() for error in errors))
    version = actions.version_acknowledge(version=version, reason=form.cleaned_data["reason"])
    messages.success(request, "It is noted. The version is ready to use.")
    return redirect(version)


@require_POST
@login_required
def version_mask(request: HttpRequest, pk: int) -> HttpResponse:
    version = access.version_owned_by(member(request), pk)
    actions.version_mask(version=version)
    messages.success(request, "A masked version is made now. This one stays as it is.")
    return redirect(version)
