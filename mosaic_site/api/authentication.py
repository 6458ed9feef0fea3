"""Who asks: by a token, or by the session of the page that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from mosaic_site.addresses import address_of
from mosaic_site.members import tokens
from mosaic_site.members.models import ApiToken, Scope, User

if TYPE_CHECKING:  # it reads the settings that name this module
    from rest_framework.views import APIView


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer SECRET`. It needs no CSRF token: no browser sends it by itself."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        authorization: str = request.headers.get("Authorization", "")
        if not authorization:
            return None
        token = tokens.token_of(authorization=authorization, address=address_of(request._request))
        return token.member, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class MayUse(BasePermission):
    """Reading is for everybody unless the address is for members; writing is for members.

    A token needs `read` or the address's own scope to read, and that scope to write, and to read
    what is secret. What exists for whom is not decided here: an app's `access` does that.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        reads = request.method in SAFE_METHODS
        own: Scope | None = getattr(view, "scope", None)
        if isinstance(request.auth, ApiToken):
            scopes = [own] if own else []
            if reads and not getattr(view, "is_secret", False):
                scopes.insert(0, Scope.READ)
            if scopes:
                tokens.require_scope(request.auth, *scopes)
        if reads and not getattr(view, "members_only", False):
            return True
        return bool(request.user.is_authenticated)


class Pace(SimpleRateThrottle):
    """So many requests: a member's with all their tokens, a visitor's from their address."""

    scope = "pace"

    def get_rate(self) -> str | None:
        return None  # known when it is known who asks

    def allow_request(self, request: Request, view: APIView) -> bool:
        rates = settings.MOSAIC_API_RATES
        self.rate = rates["member" if request.user.is_authenticated else "visitor"]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: APIView) -> str:
        person = request.user.pk
        return (
            f"pace.account.{person}" if person else f"pace.address.{address_of(request._request)}"
        )
