"""Jobs and releases."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contributions.api.serializers import page_field
from mosaic_site.api.endpoints import (
    Endpoint,
    ReasonSerializer,
    lists,
    query,
    shows,
    takes,
)
from mosaic_site.members.models import Scope
from training_workers import access, actions
from training_workers.models import Job, JobEvent, Release
from training_workers.models.release import ReleaseExpert
from training_workers.scheduling import Queue

WHOSE = ["all", "mine"]


class JobSerializer(serializers.ModelSerializer[Job]):
    expert = serializers.IntegerField(source="expert_id", allow_null=True)
    release = serializers.IntegerField(source="release.number", allow_null=True, default=None)
    progress = serializers.JSONField(help_text="The newest that its worker reported.")
    page = page_field()

    class Meta:
        model = Job
        fields: tuple[str, ...] = (
            "id", "kind", "expert", "release", "status", "reason", "attempt", "cancel_requested",
            "progress", "last_sequence", "created_at", "started_at", "finished_at", "page",
        )  # fmt: skip


class PlaceSerializer(serializers.Serializer[Any]):
    """Where a waiting job stands, and why there. Position 1 is next; 0: it is held."""

    position = serializers.IntegerField()
    reason = serializers.CharField()
    begins_in = serializers.FloatField(allow_null=True, help_text="Seconds, if that can be told.")
    ends_in = serializers.FloatField(allow_null=True, help_text="Seconds.")


class JobInFullSerializer(JobSerializer):
    place = serializers.SerializerMethodField(help_text="While it waits.")

    class Meta(JobSerializer.Meta):
        fields = (*JobSerializer.Meta.fields, "place")

    @extend_schema_field(PlaceSerializer(allow_null=True))
    def get_place(self, job: Job) -> Any:
        place = Queue().place(job) if job.status == Job.Status.QUEUED else None
        return PlaceSerializer(place).data if place else None


class JobEventSerializer(serializers.ModelSerializer[JobEvent]):
    data = serializers.JSONField()  # type: ignore[assignment]  # the column's name

    class Meta:
        model = JobEvent
        fields = ("sequence", "kind", "data", "at")


class ReleaseExpertSerializer(serializers.ModelSerializer[ReleaseExpert]):
    expert = serializers.IntegerField(source="expert_id")
    name = serializers.CharField(source="expert.name")
    owner = serializers.CharField(source="expert.owner.display_name")

    class Meta:
        model = ReleaseExpert
        fields = ("expert", "name", "owner", "adapter_sha256", "credit")


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    base = serializers.CharField(source="base.name")
    round = serializers.IntegerField(source="decision.round_id")
    page = page_field()

    class Meta:
        model = Release
        fields: tuple[str, ...] = (
            "number", "status", "status_reason", "strategy", "base", "round", "created_at",
            "live_at", "page",
        )  # fmt: skip


class ReleaseInFullSerializer(ReleaseSerializer):
    experts = ReleaseExpertSerializer(source="members", many=True)

    class Meta(ReleaseSerializer.Meta):
        fields = (*ReleaseSerializer.Meta.fields, "experts")


class Jobs(Endpoint):
    @lists(JobSerializer, query("show", "Everybody's, unless asked.", WHOSE))
    def get(self, request: Request) -> Response:
        """Jobs, the newest first. Training is public, like the expert that asks for it."""
        jobs = access.jobs_for_anyone()
        if self.asked("show", WHOSE, "all") == "mine":
            jobs = jobs.filter(expert__owner=self.person.pk)
        return self.listed(JobSerializer, jobs)


class OneJob(Endpoint):
    @shows(JobInFullSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One job, with its place in the queue."""
        return self.shown(JobInFullSerializer, access.job_for_anyone(pk))


class JobEvents(Endpoint):
    @lists(JobEventSerializer, query("after", "Only what came after this sequence number."))
    def get(self, request: Request, pk: int) -> Response:
        """What happened in it, in order. Ask for what you missed."""
        events = access.job_for_anyone(pk).events.order_by("sequence")
        if (after := self.asked_key("after")) is not None:
            events = events.filter(sequence__gt=after)
        return self.listed(JobEventSerializer, events)


class CancelJob(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @takes(ReasonSerializer, JobInFullSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Ask for the training of your expert to be stopped. It stops at its next step."""
        job = access.job_controlled_by(self.member, pk)
        reason = self.sent(ReasonSerializer)["reason"]
        actions.job_cancel(actor=self.member, job=job, reason=reason)
        return self.shown(JobInFullSerializer, access.job_for_anyone(pk))


class Releases(Endpoint):
    @lists(ReleaseSerializer)
    def get(self, request: Request) -> Response:
        """Composed models, the newest first."""
        return self.listed(ReleaseSerializer, access.releases_for_anyone())


class OneRelease(Endpoint):
    @shows(ReleaseInFullSerializer)
    def get(self, request: Request, number: int) -> Response:
        """One composed model and its experts, each by its hash and with its credit."""
        return self.shown(ReleaseInFullSerializer, access.release_for_anyone(number))


class ReleaseReport(Endpoint):
    @shows(OpenApiTypes.OBJECT)
    def get(self, request: Request, number: int) -> Response:
        """How it was measured, as training_workers/engine/report.schema.json describes it."""
        report: dict[str, Any] = access.release_for_anyone(number).report
        return Response(report)
