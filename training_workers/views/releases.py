"""Releases: the list, the report of one, and the two things a steward may do with it."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from contributions.forms import ReasonForm
from contributions.models import Expert
from mosaic_site.members.access import member, steward_required
from mosaic_site.zipping import ZipResponse
from training_workers import access
from training_workers.actions.releases import release_retry as retry
from training_workers.actions.releases import release_roll_back as roll_back
from training_workers.exporting import EXPORTED, release_export
from training_workers.models import Job
from training_workers.report import read_report
from training_workers.tiles import strip_of, tiles_of

RELEASES_A_PAGE = 20


def release_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(access.releases_for_anyone(), RELEASES_A_PAGE).get_page(
        request.GET.get("page")
    )
    rows = [{"release": release, "strip": strip_of(release.members.all())} for release in page]
    context = {"page": page, "rows": rows}
    return render(request, "training_workers/release_list.html", context)


def release_detail(request: HttpRequest, number: int) -> HttpResponse:
    release = access.release_for_anyone(number)
    members = list(release.members.all())
    left = [one for one in members if one.expert.status != Expert.Status.ELIGIBLE]
    job = Job.objects.filter(release=release).select_related("release").first()
    context = {
        "release": release,
        "members": members,
        "experts": [one.expert for one in members],
        "tiles": tiles_of(members),
        "report": read_report(release.report, members=members),
        "job": job,
        "left": left,
        "is_exported": release.status in EXPORTED and len(left) < len(members),
        # It was composed anew because somebody left.
        "rebuilt": release.rebuilds_of_it.order_by("-number").first() if left else None,
    }
    return render(request, "training_workers/release_detail.html", context)


@require_safe
def release_download(request: HttpRequest, number: int) -> ZipResponse:
    """All of it as a zip, for whoever wants to run it elsewhere."""
    release = access.release_for_anyone(number)
    if release.status not in EXPORTED:
        raise Http404("It never went live.")
    export = release_export(release)
    return ZipResponse(export.files(), f"{export.name}.zip")


@require_POST
@steward_required
def release_retry(request: HttpRequest, number: int) -> HttpResponse:
    release = retry(steward=member(request), release=access.release_for_anyone(number))
    messages.success(request, f"Release {release.number} is being composed again.")
    return redirect(release)


@require_POST
@steward_required
def release_roll_back(request: HttpRequest, number: int) -> HttpResponse:
    release = roll_back(
        steward=member(request),
        release=access.release_for_anyone(number),
        reason=ReasonForm(request.POST).typed(),
    )
    messages.success(request, f"Release {release.number} is live again.")
    return redirect(release)
