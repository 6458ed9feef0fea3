"""What people brought, as programs read it."""

from typing import Any

from rest_framework import serializers

from contributions.models import Dataset, DatasetVersion, Expert, Priority, Probe


def page_field() -> serializers.CharField:
    return serializers.CharField(source="get_absolute_url", help_text="Its page on the site.")


class PrioritySerializer(serializers.ModelSerializer[Priority]):
    owner = serializers.CharField(source="owner.display_name")
    merged_into = serializers.IntegerField(source="merged_into_id", allow_null=True)
    probes = serializers.IntegerField(source="probe_count")
    experts = serializers.IntegerField(source="expert_count")
    page = page_field()

    class Meta:
        model = Priority
        fields = (
            "id", "statement", "why", "status", "task_type", "owner", "merged_into", "probes",
            "experts", "created_at", "page",
        )  # fmt: skip


class ProbeSerializer(serializers.ModelSerializer[Probe]):
    """An open one. Sealed probes are shown to nobody."""

    class Meta:
        model = Probe
        fields = ("position", "prompt", "answer", "other_answers", "part")


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    owner = serializers.CharField(source="owner.display_name")
    languages = serializers.ListField(child=serializers.CharField())
    tasks = serializers.ListField(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    missing_for_training = serializers.ListField(
        child=serializers.CharField(), help_text="What the card lacks before an expert may learn."
    )
    page = page_field()

    class Meta:
        model = Dataset
        fields = (
            "id", "name", "owner", "licence", "summary", "origin", "limits", "credit", "languages",
            "tasks", "tags", "is_public", "missing_for_training", "created_at", "page",
        )  # fmt: skip


class VersionSerializer(serializers.ModelSerializer[DatasetVersion]):
    dataset = serializers.IntegerField(source="dataset_id")
    is_cleared = serializers.BooleanField(
        help_text="Nothing personal was found in it, or its owner answers for it."
    )
    page = page_field()

    class Meta:
        model = DatasetVersion
        fields = (
            "id", "dataset", "number", "status", "filename", "sha256", "size", "rows",
            "personal_found", "is_cleared", "acknowledged_reason", "withdrawn_at",
            "withdrawn_reason", "created_at", "page",
        )  # fmt: skip


class RowSerializer(serializers.Serializer[Any]):
    """A row of the file, by its columns."""

    def to_representation(self, row: dict[str, str | None]) -> Any:
        return row


class ScoreSerializer(serializers.Serializer[Any]):
    """From 0 to 1 on `n` open probes, with its interval of 95 %, beside the base alone."""

    statement = serializers.CharField()
    score = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    base = serializers.FloatField()
    n = serializers.IntegerField()


class FindingSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    severity = serializers.CharField()
    text = serializers.CharField()
    expert = serializers.IntegerField(source="expert.pk", allow_null=True, default=None)


class ExpertSerializer(serializers.ModelSerializer[Expert]):
    owner = serializers.CharField(source="owner.display_name")
    priority = serializers.IntegerField(source="priority_id")
    base = serializers.CharField(source="base.name")
    own_score = ScoreSerializer(allow_null=True)
    page = page_field()

    class Meta:
        model = Expert
        fields: tuple[str, ...] = (
            "id", "name", "owner", "purpose", "priority", "base", "source", "status",
            "status_reason", "adapter_sha256", "adapter_bytes", "tokens", "own_score",
            "submitted_at", "trained_at", "withdrawn_at", "page",
        )  # fmt: skip


class ExpertInFullSerializer(ExpertSerializer):
    versions = serializers.SerializerMethodField(
        help_text="Of the data that it learns from, what you may see."
    )
    recipe = serializers.JSONField(help_text="What differs from the defaults.")
    other_scores = ScoreSerializer(many=True)
    findings = FindingSerializer(many=True)

    class Meta(ExpertSerializer.Meta):
        fields = (
            *ExpertSerializer.Meta.fields, "origin", "licence", "versions", "recipe",
            "other_scores", "findings",
        )  # fmt: skip

    def get_versions(self, expert: Expert) -> list[int]:
        seen: list[int] = self.context["versions"]
        return seen


class LeavingSerializer(serializers.Serializer[Any]):
    """What would be withdrawn, and what goes with it."""

    versions = VersionSerializer(many=True)
    experts = ExpertSerializer(many=True)
