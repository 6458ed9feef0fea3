"""What every request passes through, beside Django's own."""

import logging
from collections.abc import Callable
from urllib.parse import urlsplit

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import sync_only_middleware
from django.utils.http import url_has_allowed_host_and_scheme

from mosaic_site.api.problems import is_for_programs, problem_response
from mosaic_site.bodies import OVER_LIMIT, limit_bytes
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused, disk_is_full

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponseBase]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "frame-ancestors 'none'; form-action 'self'"
)
# Whatever is saved and not shown may do nothing, should a browser show it all the same.
SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        *("accelerometer", "browsing-topics", "camera", "display-capture", "geolocation"),
        *("gyroscope", "magnetometer", "microphone", "payment", "usb"),
    )
)
# Where a steward without a second factor may still go: to set one up, or to leave.
WITHOUT_MFA = ("/account/", "/static/", "/healthz", "/readyz", "/metrics")
STEWARDS_NEED = "Stewards sign in with a second factor."


@sync_only_middleware
def content_security_policy(get_response: GetResponse) -> GetResponse:
    """No script, style or frame from anywhere but this site, and none inline."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        saved = response.headers.get("Content-Disposition", "").startswith("attachment")
        policy = SANDBOX if saved else CONTENT_SECURITY_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response

    return middleware


@sync_only_middleware
def upload_limit(get_response: GetResponse) -> GetResponse:
    """Refuse a body over the limit before it is parsed, with the limit in the answer."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        size = request.META.get("CONTENT_LENGTH") or "0"
        declared = int(size) if size.isdigit() else 0
        is_over = getattr(request, "scope", {}).get(OVER_LIMIT, False)
        if not is_over and declared <= limit_bytes():
            return get_response(request)
        limit: int = settings.MOSAIC_UPLOAD_LIMIT_BYTES
        if is_for_programs(request):
            return problem_response(413, f"One request may bring at most {mib(limit)}.")
        context = {"size": declared, "limit": limit}
        return render(request, "413.html", context, status=413)

    return middleware


@sync_only_middleware
def steward_needs_mfa(get_response: GetResponse) -> GetResponse:
    """Outside the demo, a steward sets up a second factor before doing anything else."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if (
            not settings.MOSAIC_DEMO
            and user.is_authenticated
            and user.is_steward
            and not request.path.startswith(WITHOUT_MFA)
            and not is_mfa_enabled(user)
        ):
            if is_for_programs(request):
                return problem_response(403, STEWARDS_NEED, "Set one up in your settings.")
            messages.info(request, f"{STEWARDS_NEED} Set one up here, then go on.")
            return redirect("mfa_activate_totp")
        return get_response(request)

    return middleware


class RefusedMiddleware:
    """Turn an action's refusal into its sentence, on the page the person came from."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, Refused):
            return None
        messages.error(request, str(error))
        came_from = request.META.get("HTTP_REFERER", "")
        # A page that refuses to be shown would be sent back to itself for ever.
        itself = request.method == "GET" and urlsplit(came_from).path == request.path
        if itself or not url_has_allowed_host_and_scheme(came_from, {request.get_host()}):
            came_from = "/"
        return redirect(came_from)


class FullDiskMiddleware:
    """Say in plain words that there was no room for what somebody sent."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OSError | DatabaseError) or not disk_is_full(error):
            return None
        logger.error("the disk is full", exc_info=error)
        return render(request, "507.html", status=507)
