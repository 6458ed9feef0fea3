"""Rounds: what stands in them, one's own ballot, recommended ballots, and what came of it."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance import access, actions, export
from governance.actions.box import ANSWERS
from governance.api.serializers import (
    BallotSerializer,
    CandidateSerializer,
    QuestionSerializer,
    ReceiptSerializer,
    RoundSerializer,
    SlateSerializer,
)
from governance.forms import SlateForm
from mosaic_site.api.endpoints import Endpoint, lists, shows, takes
from mosaic_site.api.forms import LARGEST_KEY, FormSerializer
from mosaic_site.members.models import Scope


def _keys() -> serializers.ListField:
    child = serializers.IntegerField(min_value=1, max_value=LARGEST_KEY)
    return serializers.ListField(child=child, max_length=10_000, help_text="Of candidates.")


class AnswersField(serializers.DictField):
    """Answers by the number of the question."""

    child = serializers.ChoiceField(choices=ANSWERS)

    def to_internal_value(self, data: Any) -> dict[int, str]:
        said: dict[str, str] = super().to_internal_value(data)
        if wrong := [key for key in said if not (key.isdecimal() and len(key) < 19)]:
            raise serializers.ValidationError(f"“{wrong[0][:20]}” is no number of a question.")
        return {int(key): answer for key, answer in said.items()}


class CastSerializer(serializers.Serializer[Any]):
    """All that you approve of, and your answers. What is left out you do not approve of."""

    approvals = _keys()
    answers = AnswersField(required=False, default=dict)
    mail = serializers.BooleanField(default=False, help_text="Have the receipt mailed to you.")


class NewSlateSerializer(FormSerializer):
    form = SlateForm

    approvals = _keys()
    answers = AnswersField(required=False, default=dict)

    def make_form(self, data: Mapping[str, Any], files: Any) -> SlateForm:
        round_ = self.context["round"]
        candidates = list(access.candidates_for_anyone(round_))
        return SlateForm(candidates, access.questions_for_anyone(round_), data, files)

    def form_data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        answers = values.get("answers", {})
        return {**values, **{f"question-{pk}": said for pk, said in answers.items()}}


class Rounds(Endpoint):
    @lists(RoundSerializer)
    def get(self, request: Request) -> Response:
        """All rounds, the newest first."""
        return self.listed(RoundSerializer, access.rounds_for_anyone())


class OneRound(Endpoint):
    @shows(RoundSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One round. Before its close it says nothing of any tally."""
        return self.shown(RoundSerializer, access.round_for_anyone(pk))


class Candidates(Endpoint):
    @lists(CandidateSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The experts on its ballot with their evidence, the cheapest first."""
        candidates = access.candidates_for_anyone(access.round_for_anyone(pk))
        return self.listed(CandidateSerializer, candidates.select_related("expert__base"))


class Questions(Endpoint):
    @lists(QuestionSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The yes/no questions on its ballot."""
        questions = access.questions_for_anyone(access.round_for_anyone(pk))
        return self.listed(QuestionSerializer, list(questions))


class OwnBallot(Endpoint):
    scope = Scope.VOTE
    members_only = True
    is_secret = True

    @shows(BallotSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Your ballot in this round. Once it is settled nobody can tell which is yours."""
        ballot = access.ballot_of(self.member, access.round_to_vote_in(pk))
        if ballot is None:
            raise Http404("no ballot to show")
        return self.shown(BallotSerializer, ballot)

    @takes(CastSerializer, BallotSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Cast your ballot, or change it. The last one counts."""
        round_ = access.round_to_vote_in(pk)
        said = self.sent(CastSerializer)
        ballot = actions.ballot_cast(
            voter=self.member,
            round_=round_,
            approvals=said["approvals"],
            answers=said["answers"],
        )
        if said["mail"]:
            actions.receipt_mail(voter=self.member, round_=round_, receipt=ballot.receipt)
        return self.shown(BallotSerializer, ballot)


class OneReceipt(Endpoint):
    @shows(ReceiptSerializer)
    def get(self, request: Request, receipt: str) -> Response:
        """Whether a ballot is in the box, and counts: for anybody who has its receipt."""
        found = access.receipt_for_anyone(receipt.lower())
        if found is None:
            raise Http404("not in any box")
        return self.shown(ReceiptSerializer, found)


class OneDecision(Endpoint):
    @shows(OpenApiTypes.OBJECT)
    def get(self, request: Request, pk: int) -> Response:
        """What was decided, with all reasons; both counts. The open data are in round.zip."""
        round_ = access.round_for_anyone(pk)
        decision = round_.outcome if round_.is_over else None
        if decision is None:
            raise Http404("nothing is decided yet")
        return Response(export.told(decision, public=access.openings_are_public(round_)))


class Slates(Endpoint):
    @lists(SlateSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The ballots that members recommend in this round."""
        slates = access.slates_for_anyone(access.round_for_anyone(pk))
        return self.listed(SlateSerializer, slates.prefetch_related("approvals"))


class OwnSlate(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @takes(NewSlateSerializer, SlateSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Recommend a ballot, or change the one that you recommend. It casts nothing."""
        round_ = access.round_for_anyone(pk)
        form = self.filled(NewSlateSerializer, round=round_)
        slate = actions.slate_publish(
            author=self.member,
            round_=round_,
            title=form.cleaned_data["title"],
            why=form.cleaned_data["why"],
            approvals=form.approved,
            answers=form.answers,
        )
        return self.shown(SlateSerializer, slate)


class OneSlate(Endpoint):
    scope = Scope.PROPOSALS_WRITE

    @shows(SlateSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One recommended ballot."""
        return self.shown(SlateSerializer, access.slate_for_anyone(pk))

    @shows(None, status=204)
    def delete(self, request: Request, pk: int) -> Response:
        """Recommend nothing any more."""
        slate = access.slate_owned_by(self.member, pk)
        actions.slate_take_back(author=self.member, slate=slate)
        return Response(status=204)
