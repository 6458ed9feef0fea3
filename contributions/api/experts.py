"""Experts: submitted for training, or brought."""

from collections.abc import Mapping
from typing import Any

from django import forms
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contributions import access, actions
from contributions.api.serializers import ExpertInFullSerializer, ExpertSerializer
from contributions.forms import BringAgainForm, BringForm, ExpertForm, ResubmitForm
from contributions.models import Expert
from contributions.models.expert import EXPERT_LIFECYCLE
from mosaic_site.api.endpoints import (
    Endpoint,
    ReasonSerializer,
    lists,
    query,
    shows,
    takes,
)
from mosaic_site.api.forms import FormSerializer
from mosaic_site.errors import Refused
from mosaic_site.members.models import Scope

STATES = sorted(EXPERT_LIFECYCLE.states)
WHOSE = ["all", "mine"]


class _ForOwner(FormSerializer):
    """A form that offers its owner's data."""

    def make_form(self, data: Mapping[str, Any], files: Any) -> forms.Form:
        return self.form(data, files, owner=self.context["person"])  # type: ignore[call-arg]


class NewExpertSerializer(_ForOwner):
    form = ExpertForm


class ResubmitSerializer(_ForOwner):
    form = ResubmitForm


class _Brought(_ForOwner):
    adapter = serializers.ListField(
        child=serializers.FileField(),
        required=False,
        max_length=10,
        help_text="A zip of the adapter's folder, or its files.",
    )


class BringSerializer(_Brought):
    form = BringForm


class BringAgainSerializer(_Brought):
    form = BringAgainForm


class Experts(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @lists(
        ExpertSerializer,
        query("status", "All of them, unless asked.", STATES),
        query("show", "Everybody's, unless asked.", WHOSE),
    )
    def get(self, request: Request) -> Response:
        """Experts, the newest first. Whoever submits one asks the community, so all are public."""
        experts = access.experts_for_anyone()
        if self.asked("show", WHOSE, "all") == "mine":
            experts = experts.filter(owner=self.person.pk)
        if status := self.asked("status", ["", *STATES], ""):
            experts = experts.filter(status=status)
        return self.listed(ExpertSerializer, experts)

    @takes(NewExpertSerializer, ExpertSerializer, status=201)
    def post(self, request: Request) -> Response:
        """Ask the stewards to have an expert trained on data that you may train on."""
        form = self.filled(NewExpertSerializer)
        values = form.cleaned_data
        expert = actions.expert_submit(
            owner=self.member,
            name=values["name"],
            purpose=values["purpose"],
            priority=values["priority"],
            versions=values["versions"],
            recipe=form.recipe(),
            once=values["once"],
        )
        return self.shown(ExpertSerializer, access.expert_for_anyone(expert.pk), 201)


class Bring(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @takes(BringSerializer, ExpertSerializer, status=201)
    def post(self, request: Request) -> Response:
        """Bring an adapter that was trained elsewhere. Stewards look at it before the workers."""
        expert = actions.expert_bring(owner=self.member, **self.filled(BringSerializer).values())
        return self.shown(ExpertSerializer, access.expert_for_anyone(expert.pk), 201)


class OneExpert(Endpoint):
    @shows(ExpertInFullSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One expert, with all its evidence."""
        return _in_full(self, access.expert_for_anyone(pk))


def _in_full(endpoint: Endpoint, expert: Expert) -> Response:
    versions = access.versions_visible_to(endpoint.person).filter(experts=expert)
    seen = sorted(versions.values_list("pk", flat=True))
    return endpoint.shown(ExpertInFullSerializer, expert, versions=seen)


class Withdraw(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @takes(ReasonSerializer, ExpertSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Withdraw your expert. For good: no later release contains it."""
        expert = access.expert_controlled_by(self.member, pk)
        reason = self.sent(ReasonSerializer)["reason"]
        actions.expert_withdraw(actor=self.member, expert=expert, reason=reason)
        return self.shown(ExpertSerializer, access.expert_for_anyone(pk))


class Resubmit(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @takes(ResubmitSerializer, ExpertSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Submit a returned, failed or cancelled expert again, changed."""
        expert = access.expert_owned_by(self.member, pk)
        if expert.is_brought:
            raise Refused("This expert was brought.", "Bring it again.")
        form = self.filled(ResubmitSerializer)
        actions.expert_resubmit(
            expert=expert,
            purpose=form.cleaned_data["purpose"],
            versions=form.cleaned_data["versions"],
            recipe=form.recipe(),
        )
        return self.shown(ExpertSerializer, access.expert_for_anyone(pk))


class BringAgain(Endpoint):
    scope = Scope.EXPERTS_WRITE

    @takes(BringAgainSerializer, ExpertSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Bring a returned, failed or cancelled adapter again, described better or changed."""
        expert = access.brought_expert_owned_by(self.member, pk)
        actions.expert_bring_again(expert=expert, **self.filled(BringAgainSerializer).values())
        return self.shown(ExpertSerializer, access.expert_for_anyone(pk))
