"""The base of every address of the API, and how its description is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from mosaic_site.api.forms import FormSerializer
from mosaic_site.api.pages import Pages
from mosaic_site.members.models import Scope, User

F = TypeVar("F", bound=Callable[..., Any])
Shape = type[serializers.BaseSerializer[Any]]
BINARY = OpenApiTypes.BINARY


class Endpoint(APIView):
    """One address: an app's `access` says what exists for whom, its `actions` what is done."""

    scope: ClassVar[Scope | None] = None
    """What a token needs to change something here."""
    members_only: ClassVar[bool] = False
    """Whether reading, too, is for members alone."""
    is_secret: ClassVar[bool] = False
    """Whether a token needs its scope to read as well."""
    pagination_class = Pages

    @property
    def person(self) -> User | AnonymousUser:
        return self.request.user

    @property
    def member(self) -> User:
        """Whoever asks, where only members get this far."""
        assert isinstance(self.request.user, User)
        return self.request.user

    def sent(self, shape: Shape, **context: Any) -> dict[str, Any]:
        """What was sent, checked. Raises ValidationError."""
        return cast("dict[str, Any]", self._checked(shape, context).validated_data)

    def filled(self, shape: type[FormSerializer], **context: Any) -> Any:
        """The form that was filled in. Raises ValidationError."""
        return cast(FormSerializer, self._checked(shape, context)).filled

    def _checked(self, shape: Shape, more: Mapping[str, Any]) -> serializers.BaseSerializer[Any]:
        context = {"request": self.request, "person": self.person, **more}
        serializer = shape(data=self.request.data, context=context)
        serializer.is_valid(raise_exception=True)
        return serializer

    def shown(self, shape: Shape, thing: Any, status: int = 200, **context: Any) -> Response:
        return Response(self._told(shape, thing, context).data, status=status)

    def listed(self, shape: Shape, rows: QuerySet[Any] | list[Any], **context: Any) -> Response:
        """A page of them."""
        pages = self.pagination_class()
        page: list[Any] | None = pages.paginate_queryset(cast(Any, rows), self.request, view=self)
        return pages.get_paginated_response(self._told(shape, page, context, many=True).data)

    def _told(
        self, shape: Shape, thing: Any, more: Mapping[str, Any], many: bool = False
    ) -> serializers.BaseSerializer[Any]:
        context = {"request": self.request, "person": self.person, **more}
        return shape(thing, many=many, context=context)

    def asked(self, name: str, among: list[str], otherwise: str) -> str:
        """What the query says of `name`. Raises ValidationError for anything not `among`."""
        said: str = self.request.query_params.get(name, otherwise)
        if said not in among:
            raise serializers.ValidationError({name: [f"Choose one of {', '.join(among)}."]})
        return said

    def asked_key(self, name: str) -> int | None:
        """A whole number from 0 in the query; None where there is none."""
        said: str | None = self.request.query_params.get(name)
        if said is None:
            return None
        field = serializers.IntegerField(min_value=0, max_value=2**63 - 1)
        try:
            return int(field.run_validation(said))
        except serializers.ValidationError as error:
            raise serializers.ValidationError({name: error.detail}) from error


def shows(shape: Any, *query: OpenApiParameter, status: int = 200) -> Callable[[F], F]:
    """Describes an address that answers with one `shape`, with a file (BINARY), or with none."""
    code: Any = (status, "application/octet-stream") if shape is BINARY else status
    return extend_schema(responses={code: shape}, parameters=[*query])


def lists(shape: Shape, *query: OpenApiParameter) -> Callable[[F], F]:
    """Describes one that answers with a page of them."""
    many = shape(many=True)
    return extend_schema(responses={200: many}, parameters=[*query])


def takes(form: Any, shape: Any, *query: OpenApiParameter, status: int = 200) -> Callable[[F], F]:
    """Describes one that takes a `form` and answers with a `shape`."""
    return extend_schema(request=form, responses={status: shape}, parameters=[*query])


def query(name: str, about: str, among: list[str] | None = None) -> OpenApiParameter:
    """A parameter of the query: one of `among`, or a whole number."""
    kind = OpenApiTypes.STR if among else OpenApiTypes.INT64
    return OpenApiParameter(name, kind, description=about, enum=among)


class ReasonSerializer(serializers.Serializer[Any]):
    """The public reason that goes with a verb."""

    reason = serializers.CharField(
        max_length=2000, required=False, default="", allow_blank=True, help_text="Public."
    )
