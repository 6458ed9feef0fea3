"""What people propose and decide, as programs read it. What a steward removed has no words here."""

from typing import Any

from rest_framework import serializers

from contributions.api.serializers import ExpertSerializer, page_field
from governance.models import Candidate, Comment, Proposal, ProposalVersion, Question, Round, Slate


class RoundSerializer(serializers.ModelSerializer[Round]):
    candidates = serializers.IntegerField(source="candidate_count")
    electors = serializers.IntegerField(source="elector_count")
    ballots = serializers.IntegerField(
        source="ballot_count", help_text="While voting is open: as of the last full hour."
    )
    takes_ballots = serializers.BooleanField()
    lot_commitment = serializers.CharField(help_text="SHA-256 of the seed that settles ties.")
    page = page_field()

    class Meta:
        model = Round
        fields = (
            "id", "title", "status", "status_reason", "budget_bytes", "quorum", "rule",
            "discussion_at", "freezes_at", "opens_at", "closes_at", "contest_ends_at",
            "candidates", "electors", "ballots", "takes_ballots", "lot_commitment", "page",
        )  # fmt: skip


class CandidateSerializer(serializers.ModelSerializer[Candidate]):
    """An expert on a ballot, bound to the adapter that is voted on, with its evidence."""

    expert = ExpertSerializer()

    class Meta:
        model = Candidate
        fields = ("id", "adapter_sha256", "cost_bytes", "expert")


class QuestionSerializer(serializers.ModelSerializer[Question]):
    proposal = serializers.IntegerField(source="proposal_id")
    version = serializers.IntegerField(source="version.number")
    title = serializers.CharField(source="version.title")
    sha256 = serializers.CharField(source="version.sha256")

    class Meta:
        model = Question
        fields = ("id", "proposal", "version", "title", "sha256", "threshold", "quorum")


class BallotSerializer(serializers.Serializer[Any]):
    """Your ballot. Keep the receipt: it finds the ballot in the box, and says nothing of it."""

    receipt = serializers.CharField()
    approvals = serializers.SerializerMethodField()
    answers = serializers.DictField(child=serializers.CharField())

    def get_approvals(self, ballot: Any) -> list[int]:
        return sorted(ballot.approvals)


class ReceiptSerializer(serializers.Serializer[Any]):
    """What the ballot box says about a receipt."""

    round = serializers.IntegerField(source="entry.round_id")
    counts = serializers.BooleanField(help_text="Whether this ballot counts, or was changed since.")
    is_shown = serializers.BooleanField(help_text="Whether the public chain has come to it.")
    position = serializers.SerializerMethodField(help_text="In the chain, once it is shown there.")
    ballot = BallotSerializer(allow_null=True, help_text="Once the round is over and it is public.")

    def get_position(self, receipt: Any) -> int | None:
        return receipt.entry.position if receipt.is_shown else None


class _ModeratedSerializer(serializers.ModelSerializer[Any]):
    removed = serializers.SerializerMethodField(help_text="Whether it was removed from sight.")

    def get_removed(self, thing: Any) -> bool:
        return thing.removed_at is not None


class ProposalSerializer(_ModeratedSerializer):
    author = serializers.CharField(source="author.display_name")
    expert = serializers.IntegerField(source="expert_id", allow_null=True)
    title = serializers.CharField(source="__str__")
    version = serializers.IntegerField(source="latest.number")
    endorsements = serializers.IntegerField(source="endorsement_count")
    comments = serializers.IntegerField(source="comment_count")
    page = page_field()

    class Meta:
        model = Proposal
        fields: tuple[str, ...] = (
            "id", "kind", "expert", "author", "title", "version", "threshold", "status",
            "status_reason", "endorsements", "comments", "removed", "removal_reason",
            "created_at", "page",
        )  # fmt: skip


class ProposalVersionSerializer(serializers.ModelSerializer[ProposalVersion]):
    class Meta:
        model = ProposalVersion
        fields = ("number", "title", "text", "sha256", "created_at")

    sha256 = serializers.CharField()


class ProposalInFullSerializer(ProposalSerializer):
    versions = serializers.SerializerMethodField(help_text="All that it ever said, newest first.")

    class Meta(ProposalSerializer.Meta):
        fields = (*ProposalSerializer.Meta.fields, "versions")

    def get_versions(self, proposal: Proposal) -> list[dict[str, Any]]:
        if proposal.removed_at is not None:
            return []
        # Not those at hand, which are without their texts.
        versions = ProposalVersion.objects.filter(proposal=proposal).order_by("-number")
        return list(ProposalVersionSerializer(versions, many=True).data)


class CommentSerializer(_ModeratedSerializer):
    author = serializers.CharField(source="author.display_name")
    text = serializers.SerializerMethodField()

    class Meta:
        model = Comment
        fields = ("id", "author", "text", "removed", "removal_reason", "created_at")

    def get_text(self, comment: Comment) -> str:
        return "" if comment.removed_at else comment.text


class SlateSerializer(_ModeratedSerializer):
    """A ballot that a member recommends. It casts nothing."""

    round = serializers.IntegerField(source="round_id")
    author = serializers.CharField(source="author.display_name")
    title = serializers.CharField(source="__str__")
    why = serializers.SerializerMethodField()
    approvals = serializers.SerializerMethodField()
    answers = serializers.SerializerMethodField(help_text="By the question's number.")
    page = page_field()

    class Meta:
        model = Slate
        fields = (
            "id", "round", "author", "title", "why", "approvals", "answers", "removed",
            "removal_reason", "created_at", "page",
        )  # fmt: skip

    def get_why(self, slate: Slate) -> str:
        return "" if slate.removed_at else slate.why

    def get_approvals(self, slate: Slate) -> list[int]:
        return [] if slate.removed_at else sorted(one.pk for one in slate.approvals.all())

    def get_answers(self, slate: Slate) -> dict[str, str]:
        return {} if slate.removed_at else slate.answers


class OpinionsSerializer(serializers.Serializer[Any]):
    agree = serializers.IntegerField()
    disagree = serializers.IntegerField()


class SupportSerializer(serializers.Serializer[Any]):
    """How many agree that a priority matters; of groups only the one that agrees the least."""

    everybody = OpinionsSerializer(source="support.everybody")
    passed = serializers.IntegerField(source="support.passed")
    group = serializers.CharField(source="support.group")
    least = OpinionsSerializer(source="support.least", allow_null=True)
    own = serializers.CharField(help_text="What you said, or empty.")
