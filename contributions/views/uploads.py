"""Uploads in parts: pages for the member, and the endpoints that page and programs share."""

import base64
import binascii
import re
from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from contributions import access, actions
from contributions.allowance import allowance_of
from contributions.forms import UploadForm
from contributions.models import Upload
from mosaic_site.members.access import member
from mosaic_site.members.api import api, problem
from mosaic_site.members.models import Scope

# https://www.rfc-editor.org/rfc/rfc9530#section-2
CONTENT_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


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
    """Where an upload goes on after a reload. Once finished it leads to what came of it."""
    upload = access.upload_owned_by(member(request), pk)
    if request.htmx and upload.status == Upload.Status.JOINING:  # type: ignore[attr-defined]
        return HttpResponse(status=204)  # no news
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect((upload.version or upload).get_absolute_url())
    if upload.version is not None:
        return redirect(upload.version)
    received = sum(upload.parts.values_list("size", flat=True))
    context = {"upload": upload, "received": received}
    return render(request, "contributions/upload_detail.html", context)


@require_POST
@login_required
def upload_delete(request: HttpRequest, pk: int) -> HttpResponse:
    upload = access.upload_owned_by(member(request), pk)
    actions.upload_abort(upload=upload)
    messages.success(request, f"The unfinished upload of {upload.filename} is deleted.")
    return redirect("contributions:upload_list")


@require_http_methods(["GET", "POST"])
@api(Scope.DATASETS_WRITE)
def api_uploads(request: HttpRequest) -> HttpResponse:
    """GET: one's room and unfinished uploads. POST name or dataset, filename, size: start one."""
    person = member(request)
    if request.method == "GET":
        uploads = access.uploads_owned_by(person).unfinished().prefetch_related("parts")
        return JsonResponse(
            {
                "allowance": asdict(allowance_of(person)),
                "uploads": [_told(upload) for upload in uploads],
            }
        )
    form = UploadForm(request.POST)
    if not form.is_valid():
        lines = [
            f"{name}: {sentence}" if name != "__all__" else sentence
            for name, sentences in form.errors.items()
            for sentence in map(str, sentences)
        ]
        return problem(400, " ".join(lines), "Mend these fields and send them again.")
    values = form.cleaned_data
    number = values.pop("dataset")
    dataset = access.dataset_owned_by(person, number) if number else None
    upload = actions.upload_start(owner=person, dataset=dataset, **values)
    return JsonResponse(_told(upload), status=201)


@require_http_methods(["GET", "PUT", "DELETE"])
@api(Scope.DATASETS_WRITE)
def api_upload(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: which parts are here. PUT ?part=N: send one. DELETE: give the upload up."""
    upload = access.upload_owned_by(member(request), pk)
    if request.method == "PUT":
        return _take_part(request, upload)
    if request.method == "DELETE":
        actions.upload_abort(upload=upload)
        return HttpResponse(status=204)
    return JsonResponse(_told(upload))


@require_POST
@api(Scope.DATASETS_WRITE)
def api_upload_finish(request: HttpRequest, pk: int) -> HttpResponse:
    """All parts are here: a worker puts them together and checks the whole. GET says how far."""
    upload = actions.upload_finish(upload=access.upload_owned_by(member(request), pk))
    return JsonResponse(_told(upload), status=200 if upload.version_id else 202)


def _take_part(request: HttpRequest, upload: Upload) -> HttpResponse:
    number = request.GET.get("part", "")
    length = request.META.get("CONTENT_LENGTH") or ""
    sha256 = _content_digest(request)
    if not (number.isdecimal() and len(number) < 10 and length.isdecimal() and sha256):
        return problem(
            400,
            "A part needs its number, its length and its SHA-256.",
            "PUT it to ?part=N, with Content-Length and with "
            "“Content-Digest: sha-256=:BASE64:” (RFC 9530).",
        )
    try:
        actions.part_receive(
            upload=upload, number=int(number), sha256=sha256, size=int(length), body=request
        )
    except actions.PartDamaged as damaged:
        return problem(422, damaged.problem, damaged.remedy)
    return JsonResponse({"part": int(number), "sha256": sha256})


def _content_digest(request: HttpRequest) -> str:
    """The SHA-256 that the header announces, in hexadecimal; empty without one."""
    found = CONTENT_DIGEST.search(request.headers.get("Content-Digest", ""))
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == 32 else ""


def _told(upload: Upload) -> dict[str, Any]:
    """An upload as programs read it; `parts` maps the numbers that are here to their SHA-256."""
    made = upload.version
    return {
        "id": upload.pk,
        "name": upload.name,
        "dataset": made.dataset_id if made else upload.dataset_id,
        "filename": upload.filename,
        "size": upload.size,
        "part_bytes": upload.part_bytes,
        "part_count": upload.part_count,
        "status": upload.status,
        "version": upload.version_id,
        "sha256": made.sha256 if made else None,
        "problem": upload.problem,
        "remedy": upload.remedy,
        "parts": {part.number: part.sha256 for part in upload.parts.all()},
        "url": reverse("contributions:api_upload", args=[upload.pk]),
        "finish": reverse("contributions:api_upload_finish", args=[upload.pk]),
        "page": (made or upload).get_absolute_url(),
    }
