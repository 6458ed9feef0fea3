"""Endpoints that pages and programs share: JSON out, a session or an API token in."""

import logging
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from mosaic_site.errors import Refused, disk_is_full
from mosaic_site.members.models import Scope
from mosaic_site.members.tokens import token_recognise

logger = logging.getLogger(__name__)

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def problem(status: int, error: str, remedy: str = "") -> JsonResponse:
    """What went wrong and what to do, for a program to read and a person to understand."""
    return JsonResponse({"error": error, "remedy": remedy}, status=status)


def api(scope: Scope) -> Callable[[View[P]], View[P]]:
    """A view for whoever is signed in, and for tokens that have `scope`.

    A session brings its CSRF token in X-CSRFToken. `Authorization: Bearer SECRET` needs none,
    since no browser sends it by itself.
    """

    def decorate(view: View[P]) -> View[P]:
        def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            try:
                return view(request, *args, **kwargs)
            except Refused as refused:
                return problem(409, refused.problem, refused.remedy)
            except Http404:
                return problem(404, "There is no such thing, or it is not yours.")
            except OSError as error:
                if not disk_is_full(error):
                    raise
                logger.exception("the disk is full")
                return problem(
                    507,
                    "The site's disk is full, so this was not kept. What came before is safe.",
                    "Send it again in a while: those who run this site see that it is full.",
                )

        by_session = csrf_protect(answer)

        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            kind, _, secret = request.headers.get("Authorization", "").partition(" ")
            if not kind and not request.user.is_authenticated:
                return problem(401, "You are not signed in.", "Sign in, then go on.")
            if not kind:
                return by_session(request, *args, **kwargs)
            token = token_recognise(secret=secret.strip()) if kind.lower() == "bearer" else None
            if token is None:
                return _challenge(
                    problem(
                        401,
                        "This token is unknown, expired or revoked.",
                        "Make a new one in your settings, and send it as "
                        "“Authorization: Bearer SECRET”.",
                    ),
                    "invalid_token",
                )
            if scope not in token.scopes:
                return _challenge(
                    problem(
                        403,
                        f"This token may not be used for this: it lacks the scope {scope}.",
                        "Make one that has it.",
                    ),
                    "insufficient_scope",
                )
            request.user = token.member
            return answer(request, *args, **kwargs)

        update_wrapper(guarded, view)
        # Exempt outside, because a token needs no CSRF; `by_session` checks it for a session.
        return csrf_exempt(guarded)

    return decorate


def _challenge(response: HttpResponse, error: str) -> HttpResponse:
    """As RFC 6750, section 3, has it."""
    response.headers["WWW-Authenticate"] = f'Bearer error="{error}"'
    return response
