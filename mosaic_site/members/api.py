"""Endpoints that pages and programs share: JSON out, a session or an API token in."""

import logging
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec

from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from mosaic_site.errors import Refused, disk_is_full
from mosaic_site.members.models import Scope
from mosaic_site.members.tokens import NotLetIn, token_let_in

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
            authorization = request.headers.get("Authorization", "")
            if not authorization and not request.user.is_authenticated:
                return problem(401, "You are not signed in.", "Sign in, then go on.")
            if not authorization:
                return by_session(request, *args, **kwargs)
            try:
                token = token_let_in(authorization=authorization, scope=scope)
            except NotLetIn as refusal:
                response = problem(refusal.status, refusal.problem, refusal.remedy)
                response.headers["WWW-Authenticate"] = refusal.challenge
                return response
            request.user = token.member
            return answer(request, *args, **kwargs)

        update_wrapper(guarded, view)
        # Exempt outside, because a token needs no CSRF; `by_session` checks it for a session.
        return csrf_exempt(guarded)

    return decorate
