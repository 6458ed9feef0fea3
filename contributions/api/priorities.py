"""Priorities: what members need, with the probes that show whether it is met."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contributions import access, actions
from contributions.api.serializers import PrioritySerializer, ProbeSerializer
from contributions.forms import PriorityForm
from contributions.models import Priority
from mosaic_site.api.endpoints import Endpoint, lists, query, shows, takes
from mosaic_site.api.forms import FormSerializer
from mosaic_site.members.models import Scope

STATES = [str(state) for state in Priority.Status.values]


class NewProbeSerializer(serializers.Serializer[Any]):
    prompt = serializers.CharField()
    answer = serializers.CharField()


class NewPrioritySerializer(FormSerializer):
    """The probes come as `probes`, typed as in the form, or in a `file`."""

    form = PriorityForm

    probes = NewProbeSerializer(many=True, required=False)

    def form_files(self, values: Mapping[str, Any]) -> Any:
        if not values.get("probes"):
            return super().form_files(values)
        if values.get("file"):
            raise serializers.ValidationError({"probes": ["There is a file with probes, too."]})
        lines = "\n".join(json.dumps(one, ensure_ascii=False) for one in values["probes"])
        return {"file": SimpleUploadedFile("probes.jsonl", lines.encode())}


class Priorities(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @lists(PrioritySerializer, query("status", "Those that are open, unless asked.", STATES))
    def get(self, request: Request) -> Response:
        """Needs that members have stated, the newest first."""
        status = self.asked("status", STATES, "open")
        return self.listed(PrioritySerializer, access.priorities_for_anyone().filter(status=status))

    @takes(NewPrioritySerializer, PrioritySerializer, status=201)
    def post(self, request: Request) -> Response:
        """Declare one. Four in ten of its probes are sealed by lot, and shown to nobody again."""
        form = self.filled(NewPrioritySerializer)
        values = form.cleaned_data
        priority = actions.priority_declare(
            owner=self.member,
            statement=values["statement"],
            why=values["why"],
            task_type=form.task_type,
            probes=form.probes,
            once=values["once"],
        )
        return self.shown(PrioritySerializer, access.priority_for_anyone(priority.pk), 201)


class OnePriority(Endpoint):
    @shows(PrioritySerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One priority."""
        return self.shown(PrioritySerializer, access.priority_for_anyone(pk))


class Probes(Endpoint):
    @lists(ProbeSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The open probes of a priority."""
        probes = access.priority_for_anyone(pk).probes.open().order_by("position")
        return self.listed(ProbeSerializer, probes)
