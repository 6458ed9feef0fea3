"""Uploads in parts: the pages. What they share with programs is `contributions.api.uploads`."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from contributions import access, actions
from contributions.allowance import allowance_of
from contributions.models import DatasetVersion, Upload
from mosaic_site.members.access import member


@require_safe
@login_required
def upload_list(request: HttpRequest) -> HttpResponse:
    """What one has begun and not finished, and how much room there is."""
    person = member(request)
    uploads = access.uploads_owned_by(person).unfinished().with_received()
    context = {"uploads": uploads, "allowance": allowance_of(person)}
    return render(request, "contributions/upload_list.html", context)


@require_safe
@login_required
def upload_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Where an upload goes on after a reload. Once finished it leads to what came of it, and takes
    along what the address says of the need that it is for."""
    upload = access.upload_owned_by(member(request), pk)
    if request.htmx and upload.status == Upload.Status.JOINING:  # type: ignore[attr-defined]
        return HttpResponse(status=204)  # no news
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(_leads_to(upload.version or upload, request))
    if upload.version is not None:
        return redirect(_leads_to(upload.version, request))
    received = sum(upload.parts.values_list("size", flat=True))
    context = {"upload": upload, "received": received}
    return render(request, "contributions/upload_detail.html", context)


def _leads_to(thing: Upload | DatasetVersion, request: HttpRequest) -> str:
    query = request.META.get("QUERY_STRING", "")
    return f"{thing.get_absolute_url()}?{query}" if query else thing.get_absolute_url()


@require_POST
@login_required
def upload_delete(request: HttpRequest, pk: int) -> HttpResponse:
    upload = access.upload_owned_by(member(request), pk)
    actions.upload_abort(upload=upload)
    messages.success(request, f"The unfinished upload of {upload.filename} is deleted.")
    return redirect("contributions:upload_list")


@csrf_exempt  # changes nothing: where it leads to is checked there
def moved(request: HttpRequest, rest: str | None = None) -> HttpResponse:
    """The endpoints of programs stood here. With a 308 the method and the body go along."""
    query = request.META.get("QUERY_STRING", "")
    there = reverse("api:uploads") + (rest or "") + (f"?{query}" if query else "")
    return HttpResponse(status=308, headers={"Location": there})
