"""The API's own description, and what of it belongs to the ground floor: oneself, inbox, ledger."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mosaic_site.api.endpoints import Endpoint, lists, query, shows, takes
from mosaic_site.api.reference import reference_of
from mosaic_site.ledger.models import Entry
from mosaic_site.ledger.reading import told
from mosaic_site.members.access import group_for_anyone, groups_for_anyone
from mosaic_site.members.actions import member_declare_group
from mosaic_site.members.models import MemberGroup, Scope, User
from mosaic_site.notices import access as notices
from mosaic_site.notices.actions import notice_read, notices_read
from mosaic_site.notices.models import Notice


@cache
def description() -> dict[str, Any]:
    """The API in OpenAPI 3.1. It changes with the code alone."""
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    found: dict[str, Any] = generator.get_schema(  # type: ignore[no-untyped-call]
        request=None, public=True
    )
    return found


@require_safe
def schema(request: HttpRequest) -> JsonResponse:
    return JsonResponse(
        description(),
        content_type="application/vnd.oai.openapi+json",
        json_dumps_params={"separators": (",", ":"), "ensure_ascii": False},
    )


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """The same for people: all addresses, and `?part=` one of them in full."""
    parts = reference_of(description())
    asked = request.GET.get("part", "")
    context = {
        "parts": parts,
        "part": asked if asked in parts else "",
        "operations": parts.get(asked, []),
        "scopes": Scope.choices,
    }
    return render(request, "api/reference.html", context)


class GroupSerializer(serializers.ModelSerializer[MemberGroup]):
    class Meta:
        model = MemberGroup
        fields = ("id", "name", "description")


class MeSerializer(serializers.ModelSerializer[User]):
    name = serializers.CharField(source="display_name")
    group = serializers.IntegerField(source="group_id", allow_null=True)

    class Meta:
        model = User
        fields = ("id", "username", "name", "email", "role", "group", "date_joined")


class DeclareSerializer(serializers.Serializer[Any]):
    group = serializers.IntegerField(min_value=1, max_value=2**63 - 1, allow_null=True)


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    class Meta:
        model = Notice
        fields = ("id", "kind", "text", "url", "created_at", "read_at")


class ReadSerializer(serializers.Serializer[Any]):
    newest = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, help_text="The newest that you have seen."
    )


class CountSerializer(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were unread until now.")


class LineSerializer(serializers.Serializer[Any]):
    """Read as "who sentence name"; what is private is not named to others."""

    sequence = serializers.IntegerField(source="entry.sequence")
    at = serializers.DateTimeField(source="entry.at")
    who = serializers.CharField(source="entry.who")
    action = serializers.CharField(source="entry.action")
    sentence = serializers.CharField()
    name = serializers.CharField()
    page = serializers.CharField(source="url", help_text="Empty where there is none.")
    reason = serializers.CharField(source="entry.reason")
    previous = serializers.CharField(source="entry.previous")
    hash = serializers.CharField(source="entry.hash")


class Me(Endpoint):
    scope = Scope.READ
    members_only = True

    @shows(MeSerializer)
    def get(self, request: Request) -> Response:
        """Who you are here."""
        return self.shown(MeSerializer, self.member)


class MyGroup(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @takes(DeclareSerializer, DeclareSerializer)
    def put(self, request: Request) -> Response:
        """Say to which group you belong, or to none. Personal."""
        number = self.sent(DeclareSerializer)["group"]
        group = None if number is None else group_for_anyone(number)
        member_declare_group(member=self.member, group=group)
        return self.shown(DeclareSerializer, {"group": number})


class Groups(Endpoint):
    @lists(GroupSerializer)
    def get(self, request: Request) -> Response:
        """The groups that members may declare."""
        return self.listed(GroupSerializer, groups_for_anyone())


class Inbox(Endpoint):
    scope = Scope.READ
    members_only = True

    @lists(NoticeSerializer)
    def get(self, request: Request) -> Response:
        """Your notices, the unread ones first."""
        return self.listed(NoticeSerializer, notices.notices_of(self.member).unread_first())


class ReadInbox(Endpoint):
    scope = Scope.READ

    @takes(ReadSerializer, CountSerializer)
    def post(self, request: Request) -> Response:
        """Mark all up to one as read. What came since stays unread."""
        newest = self.sent(ReadSerializer)["newest"]
        return self.shown(
            CountSerializer, {"read": notices_read(member=self.member, newest=newest)}
        )


class ReadNotice(Endpoint):
    scope = Scope.READ

    @takes(None, NoticeSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Mark one as read."""
        notice = notices.notice_of(self.member, pk)
        notice_read(notice=notice)
        notice.refresh_from_db()
        return self.shown(NoticeSerializer, notice)


class Ledger(Endpoint):
    @lists(LineSerializer, query("after", "Only what came after this sequence number."))
    def get(self, request: Request) -> Response:
        """Everything that changed anything here, the newest first."""
        entries = Entry.objects.all()
        if (after := self.asked_key("after")) is not None:
            entries = entries.filter(sequence__gt=after)
        pages = self.pagination_class()
        page = pages.paginate_queryset(entries, request, view=self)
        lines = LineSerializer(told(page or [], self.person), many=True)
        return pages.get_paginated_response(lines.data)
