"""Who may do what, where a role is enough to tell."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, ParamSpec, TypeAlias

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404

from mosaic_site.members.models import (
    ApiToken,
    ApiTokenQuerySet,
    MemberGroup,
    MemberGroupQuerySet,
    User,
)

P = ParamSpec("P")
View: TypeAlias = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def member(request: HttpRequest) -> User:
    """The signed-in person of a request that passed `login_required`."""
    assert isinstance(request.user, User)
    return request.user


def steward_required(view: View[P]) -> View[P]:
    """Stewards only. To everybody else the page does not exist."""

    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not member(request).is_steward:
            raise Http404("for stewards")
        return view(request, *args, **kwargs)

    update_wrapper(guarded, view)
    return login_required(guarded)


def groups_for_anyone() -> MemberGroupQuerySet:
    """Which groups there are is public; who belongs to one is not."""
    return MemberGroup.objects.all()


def group_for_anyone(pk: int) -> MemberGroup:
    return get_object_or_404(groups_for_anyone(), pk=pk)


def tokens_of(person: User) -> ApiTokenQuerySet:
    """One's own that are not revoked, the expired ones included."""
    return ApiToken.objects.filter(member=person, revoked_at=None)


def token_owned_by(person: User, pk: int) -> ApiToken:
    return get_object_or_404(ApiToken, pk=pk, member=person)
