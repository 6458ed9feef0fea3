"""Proposals, their discussion, and what members think of priorities."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from django import forms
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contributions.access import priority_for_anyone
from contributions.models import Priority
from governance import access, actions
from governance.api.serializers import (
    CommentSerializer,
    ProposalInFullSerializer,
    ProposalSerializer,
    SupportSerializer,
)
from governance.forms import CommentForm, ProposalEditForm, ProposalForm, ReportForm
from governance.models import PriorityVote, Thing
from governance.support import panels_for
from governance.views.proposals import TABS
from mosaic_site.api.endpoints import (
    Endpoint,
    ReasonSerializer,
    lists,
    query,
    shows,
    takes,
)
from mosaic_site.api.forms import FormSerializer
from mosaic_site.members.models import Scope


class NewProposalSerializer(FormSerializer):
    form = ProposalForm


class ProposalEditSerializer(FormSerializer):
    form = ProposalEditForm


class NewCommentSerializer(FormSerializer):
    form = CommentForm


class ReportSerializer(FormSerializer):
    """Its author, who asks to look at its removal again, names no ground."""

    form = ReportForm

    def get_fields(self) -> Any:
        fields = super().get_fields()
        fields["ground"].required = False
        return fields

    def make_form(self, data: Mapping[str, Any], files: Any) -> forms.Form:
        return ReportForm(data, files, contest=self.context["contest"])


class ReportedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class EndorsementSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="The words that you have read."
    )


class MuteSerializer(serializers.Serializer[Any]):
    muted = serializers.BooleanField()


class OpinionSerializer(serializers.Serializer[Any]):
    value = serializers.ChoiceField(choices=PriorityVote.Value.choices)


class Proposals(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @lists(
        ProposalSerializer,
        query("show", "Open ones, unless asked.", ["all", *TABS]),
        query("expert", "Those about one expert."),
    )
    def get(self, request: Request) -> Response:
        """Proposals, the newest first."""
        proposals = access.proposals_for_anyone()
        show = self.asked("show", ["all", *TABS], "open")
        expert = self.asked_key("expert")
        if expert is not None:
            proposals = proposals.filter(expert=expert)
        elif show != "all":
            proposals = proposals.filter(TABS[show][1])
        return self.listed(ProposalSerializer, proposals)

    @takes(NewProposalSerializer, ProposalInFullSerializer, status=201)
    def post(self, request: Request) -> Response:
        """Ask the members a yes/no question, or propose to retire an expert."""
        values = self.filled(NewProposalSerializer).cleaned_data
        proposal = actions.proposal_make(author=self.member, **values)
        return self.shown(ProposalInFullSerializer, access.proposal_for_anyone(proposal.pk), 201)


class OneProposal(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @shows(ProposalInFullSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One proposal, with all that it ever said."""
        return self.shown(ProposalInFullSerializer, access.proposal_for_anyone(pk))

    @takes(ProposalEditSerializer, ProposalInFullSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Change your proposal. This takes back every endorsement."""
        proposal = access.proposal_owned_by(self.member, pk)
        values = self.filled(ProposalEditSerializer).cleaned_data
        actions.proposal_edit(author=self.member, proposal=proposal, **values)
        return self.shown(ProposalInFullSerializer, access.proposal_for_anyone(pk))


class Withdraw(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @takes(ReasonSerializer, ProposalInFullSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Take your proposal off the table, with a public reason."""
        proposal = access.proposal_controlled_by(self.member, pk)
        reason = self.sent(ReasonSerializer)["reason"]
        actions.proposal_withdraw(actor=self.member, proposal=proposal, reason=reason)
        return self.shown(ProposalInFullSerializer, access.proposal_for_anyone(pk))


class Endorsement(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @takes(EndorsementSerializer, ProposalSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Say that it should be voted on, in the words of the version that you have read."""
        proposal = access.proposal_for_anyone(pk)
        version = self.sent(EndorsementSerializer)["version"]
        actions.endorse(member=self.member, proposal=proposal, version=version)
        return self.shown(ProposalSerializer, access.proposal_for_anyone(pk))

    @shows(None, status=204)
    def delete(self, request: Request, pk: int) -> Response:
        """Take your endorsement back."""
        proposal = access.proposal_for_anyone(pk)
        actions.endorsement_withdraw(member=self.member, proposal=proposal)
        return Response(status=204)


class Mute(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @takes(MuteSerializer, MuteSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Hear no more of its discussion, or again."""
        proposal = access.proposal_for_anyone(pk)
        muted = self.sent(MuteSerializer)["muted"]
        actions.thread_mute(member=self.member, proposal=proposal, muted=muted)
        return self.shown(MuteSerializer, {"muted": muted})


class Comments(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @lists(CommentSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Its discussion, the first comment first."""
        proposal = access.proposal_for_anyone(pk)
        return self.listed(CommentSerializer, access.comments_for_anyone(proposal))

    @takes(NewCommentSerializer, CommentSerializer, status=201)
    def post(self, request: Request, pk: int) -> Response:
        """Say something about it."""
        proposal = access.proposal_for_anyone(pk)
        values = self.filled(NewCommentSerializer).cleaned_data
        comment = actions.comment_add(author=self.member, proposal=proposal, **values)
        return self.shown(CommentSerializer, comment, 201)


class OneComment(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @shows(CommentSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One comment."""
        return self.shown(CommentSerializer, access.comment_for_anyone(pk))

    @shows(None, status=204)
    def delete(self, request: Request, pk: int) -> Response:
        """Take your comment back."""
        comment = access.comment_owned_by(self.member, pk)
        actions.comment_remove(author=self.member, comment=comment)
        return Response(status=204)


class _Report(Endpoint, ABC):
    scope = Scope.PROPOSALS_WRITE

    @abstractmethod
    def thing(self, pk: int) -> Thing:
        """What is reported. Raises Http404."""

    @takes(ReportSerializer, ReportedSerializer, status=201)
    def post(self, request: Request, pk: int) -> Response:
        """Ask the stewards to look at it; as its author, to look at its removal again."""
        thing = self.thing(pk)
        form = self.filled(ReportSerializer, contest=thing.author_id == self.member.pk)
        report = actions.report_make(member=self.member, thing=thing, reason=form.full_reason)
        return self.shown(ReportedSerializer, report, 201)


class ReportComment(_Report):
    def thing(self, pk: int) -> Thing:
        return access.comment_for_anyone(pk)


class ReportProposal(_Report):
    def thing(self, pk: int) -> Thing:
        return access.proposal_for_anyone(pk)


class ReportSlate(_Report):
    def thing(self, pk: int) -> Thing:
        return access.slate_for_anyone(pk)


class Opinion(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @shows(SupportSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """What members think of a priority, and what you said."""
        return self._panel(priority_for_anyone(pk))

    @takes(OpinionSerializer, SupportSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Say whether it matters. The last word counts."""
        priority = priority_for_anyone(pk)
        value = self.sent(OpinionSerializer)["value"]
        actions.priority_vote(member=self.member, priority=priority, value=value)
        return self._panel(priority)

    def _panel(self, priority: Priority) -> Response:
        return self.shown(SupportSerializer, panels_for(self.person, [priority])[priority.pk])
