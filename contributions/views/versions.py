from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from contributions import access, actions
from contributions.models import DatasetVersion
from contributions.views import guide
from mosaic_site.ledger.reading import about
from mosaic_site.members.access import member

SHAPES = {
    "text_label": "texts with labels",
    "prompt_completion": "prompts with answers",
    "chat": "conversations",
    "unknown": "not recognised",
}


def version_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of a version. While it is checked the page asks for its own fragment.

    It says in `seen` what it shows, and nothing comes back until there is something new.
    """
    version = access.version_visible_to(request.user, pk)
    state = f"{version.status}.{version.checked_bytes}"
    if request.htmx and request.GET.get("seen") == state:  # type: ignore[attr-defined]
        return HttpResponse(status=204)
    is_owner = version.dataset.owner_id == request.user.pk
    priority = guide.carried_priority(request)
    report = version.report
    context = {
        "version": version,
        "state": state,
        "dataset": version.dataset,
        "is_owner": is_owner,
        "may_withdraw": version.status != DatasetVersion.Status.WITHDRAWN
        and access.may_withdraw(request.user, version.dataset),
        "report": report,
        "shape": SHAPES[report.shape] if report else "",
        "next": guide.next_step(version, is_owner, priority),
        "steps": guide.steps(priority, version),
        "checked_share": version.checked_bytes / version.size if version.size else 0,
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "contributions/_version_report.html", context)
    context["lines"] = about(version)
    return render(request, "contributions/version_detail.html", context)


@require_POST
@login_required
def version_recheck(request: HttpRequest, pk: int) -> HttpResponse:
    version = actions.version_recheck(version=access.version_owned_by(member(request), pk))
    messages.success(request, "It is checked once more.")
    return redirect(version)
