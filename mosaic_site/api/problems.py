"""What goes wrong, as programs read it: RFC 9457, the same from every address of the API."""

import logging
import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions, serializers
from rest_framework.response import Response

from mosaic_site.errors import Refused, disk_is_full
from mosaic_site.members.tokens import NotLetIn

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
API = "/api/"
REMEDIES = {
    400: "Mend these fields and send them again.",
    401: "Sign in, or send a token as “Authorization: Bearer SECRET”.",
    429: "Wait for as many seconds as Retry-After says.",
}
MISSING = "There is no such thing, or it is not yours."


class TooLarge(exceptions.APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = "This is more than one request may bring."


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457, with two members more."""

    type = serializers.CharField(help_text="Always about:blank: `status` says what it is.")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is wrong, as a sentence for a person.")
    remedy = serializers.CharField(help_text="What to do, or empty.")
    errors = serializers.DictField(  # type: ignore[assignment]  # the member's name
        child=serializers.ListField(child=serializers.CharField()),
        help_text="The sentences about each field; empty where it is not about fields.",
    )


def problem(
    status: int, detail: str, remedy: str = "", errors: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "remedy": remedy or REMEDIES.get(status, ""),
        "errors": {name: list(sentences) for name, sentences in (errors or {}).items()},
    }


def problem_response(status: int, detail: str, remedy: str = "") -> JsonResponse:
    """For what is answered before an address of the API is reached."""
    return JsonResponse(problem(status, detail, remedy), status=status, content_type=MEDIA_TYPE)


def is_for_programs(request: HttpRequest) -> bool:
    return request.path.startswith(API)


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """The answer to whatever an address of the API raised; None for our own mistakes."""
    if isinstance(error, Refused):
        return _response(problem(error.status, error.problem, error.remedy))
    if isinstance(error, Http404):
        return _response(problem(404, MISSING))
    if isinstance(error, PermissionDenied):
        return _response(problem(403, "You may not do this."))
    if isinstance(error, RequestDataTooBig):
        return _response(problem(413, TooLarge.default_detail))
    if isinstance(error, SuspiciousOperation):
        return _response(problem(400, "This request cannot be read."))
    if isinstance(error, OSError) and disk_is_full(error):
        logger.exception("the disk is full")
        return _response(
            problem(
                507,
                "The site's disk is full, so this was not kept. What came before is safe.",
                "Send it again in a while: those who run this site see that it is full.",
            )
        )
    if isinstance(error, NotLetIn):
        response = _response(problem(error.status, error.problem, error.remedy))
        if error.seconds is not None:
            response.headers["Retry-After"] = str(error.seconds)
        else:
            response.headers["WWW-Authenticate"] = error.challenge
        return response
    if not isinstance(error, exceptions.APIException):
        return None
    response = _response(_told(error))
    wait: float | None = getattr(error, "wait", None)
    if wait is not None:
        response.headers["Retry-After"] = str(math.ceil(wait))
    if header := getattr(error, "auth_header", None):
        response.headers["WWW-Authenticate"] = header
    return response


def _response(told: dict[str, Any]) -> Response:
    return Response(told, status=told["status"], content_type=MEDIA_TYPE)


def _told(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        errors = _by_field(error.detail)
        lines = [
            sentence if name == "non_field_errors" else f"{name}: {sentence}"
            for name, sentences in errors.items()
            for sentence in sentences
        ]
        return problem(400, " ".join(lines), errors=errors)
    if isinstance(error, exceptions.Throttled):
        return problem(429, "That was too often.")
    if isinstance(error, exceptions.NotAuthenticated):
        return problem(401, "You are not signed in.")
    return problem(error.status_code, str(error.detail))


def _by_field(detail: Any, path: str = "") -> dict[str, list[str]]:
    """Sentences by the path of their field: `probes.3.prompt`."""
    if isinstance(detail, Mapping):
        found: dict[str, list[str]] = {}
        for name, inner in detail.items():
            found |= _by_field(inner, f"{path}.{name}" if path else str(name))
        return found
    if isinstance(detail, list) and any(isinstance(one, (Mapping, list)) for one in detail):
        return _by_field({str(n): one for n, one in enumerate(detail) if one}, path)
    sentences = detail if isinstance(detail, list) else [detail]
    return {path or "non_field_errors": [str(one) for one in sentences]}
