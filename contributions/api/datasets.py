"""Datasets and their versions."""

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contributions import access, actions, preview
from contributions.api.serializers import (
    DatasetSerializer,
    LeavingSerializer,
    RowSerializer,
    VersionSerializer,
)
from contributions.filenames import rows_name, upload_name
from contributions.forms import (
    AcknowledgeForm,
    CardForm,
    DatasetForm,
    MappingForm,
    VersionForm,
    WithdrawForm,
)
from contributions.forms.mapping import ROLES
from contributions.intake import Report
from contributions.models import DatasetVersion
from contributions.report_file import report_json
from contributions.views.downloads import Attachment
from mosaic_site.api.endpoints import BINARY, Endpoint, lists, query, shows, takes
from mosaic_site.api.forms import FormSerializer
from mosaic_site.members.models import Scope

SHOWN = ["all", "mine", "public"]


class _WithFile(FormSerializer):
    file = serializers.FileField(help_text="CSV, JSON, Parquet or text.")


class NewDatasetSerializer(_WithFile):
    form = DatasetForm


class NewVersionSerializer(_WithFile):
    form = VersionForm


class CardSerializer(FormSerializer):
    form = CardForm

    languages = serializers.ListField(
        child=serializers.CharField(max_length=60), required=False, help_text="Names or codes."
    )
    tags = serializers.ListField(child=serializers.CharField(max_length=60), required=False)

    def form_data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        listed = {name: ", ".join(values.get(name, [])) for name in ("languages", "tags")}
        return {**values, **listed}


class WithdrawSerializer(FormSerializer):
    form = WithdrawForm


class AcknowledgeSerializer(FormSerializer):
    form = AcknowledgeForm


class ColumnsSerializer(serializers.Serializer[Any]):
    columns = serializers.DictField(
        child=serializers.ChoiceField(choices=ROLES, allow_blank=True),
        help_text="What each column is; one that is not named is not used.",
    )


class Datasets(Endpoint):
    scope = Scope.DATASETS_WRITE

    @lists(DatasetSerializer, query("show", "All that you may see, unless asked.", SHOWN))
    def get(self, request: Request) -> Response:
        """Your own datasets and the public ones, the newest first."""
        show = self.asked("show", SHOWN, "all")
        datasets = access.datasets_visible_to(self.person)
        if show == "mine":
            datasets = datasets.filter(owner=self.person.pk)
        elif show == "public":
            datasets = datasets.filter(is_public=True)
        return self.listed(DatasetSerializer, datasets)

    @takes(NewDatasetSerializer, DatasetSerializer, status=201)
    def post(self, request: Request) -> Response:
        """Bring a file whole; a large one comes in parts (see uploads). A worker checks it."""
        values = self.filled(NewDatasetSerializer).cleaned_data
        dataset = actions.dataset_upload(
            owner=self.member,
            name=values["name"],
            file=values["file"],
            filename=values["file"].name,
            once=values["once"],
        )
        return self.shown(DatasetSerializer, dataset, 201)


class OneDataset(Endpoint):
    @shows(DatasetSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One dataset, with its card."""
        return self.shown(DatasetSerializer, access.dataset_visible_to(self.person, pk))


class Card(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(CardSerializer, DatasetSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Write the card of your dataset: licence, what it is, where it comes from."""
        dataset = access.dataset_owned_by(self.member, pk)
        card = self.filled(CardSerializer).cleaned_data
        return self.shown(DatasetSerializer, actions.dataset_describe(dataset=dataset, **card))


class Publish(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(None, DatasetSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Let everybody see your dataset and train experts on it."""
        dataset = access.dataset_owned_by(self.member, pk)
        return self.shown(DatasetSerializer, actions.dataset_publish(dataset=dataset))


class Versions(Endpoint):
    scope = Scope.DATASETS_WRITE

    @lists(VersionSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """The versions of a dataset that you may see, the newest first."""
        dataset = access.dataset_visible_to(self.person, pk)
        versions = access.versions_visible_to(self.person).filter(dataset=dataset)
        return self.listed(VersionSerializer, versions.order_by("-number"))

    @takes(NewVersionSerializer, VersionSerializer, status=201)
    def post(self, request: Request, pk: int) -> Response:
        """Add a version to your dataset. The earlier ones stay as they are."""
        dataset = access.dataset_owned_by(self.member, pk)
        values = self.filled(NewVersionSerializer).cleaned_data
        dataset = actions.dataset_add_version(
            dataset=dataset,
            file=values["file"],
            filename=values["file"].name,
            once=values["once"],
        )
        return self.shown(VersionSerializer, dataset.versions.latest("number"), 201)


class WithdrawDataset(Endpoint):
    scope = Scope.DATASETS_WRITE
    members_only = True

    @shows(LeavingSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """What would be withdrawn, and the experts that would go with it."""
        dataset = access.dataset_controlled_by(self.member, pk)
        return self.shown(LeavingSerializer, _leaving(dataset.versions.standing()))

    @takes(WithdrawSerializer, DatasetSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Withdraw all of a dataset, with every expert that learnt from it. For good."""
        dataset = access.dataset_controlled_by(self.member, pk)
        reason = self.filled(WithdrawSerializer).cleaned_data["reason"]
        actions.dataset_withdraw(actor=self.member, dataset=dataset, reason=reason)
        dataset.refresh_from_db()
        return self.shown(DatasetSerializer, dataset)


def _leaving(versions: Any) -> dict[str, Any]:
    versions = list(versions)
    return {"versions": versions, "experts": access.experts_taught_by(versions)}


class OneVersion(Endpoint):
    @shows(VersionSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """One version of a dataset."""
        return self.shown(VersionSerializer, access.version_visible_to(self.person, pk))


class WithdrawVersion(Endpoint):
    scope = Scope.DATASETS_WRITE
    members_only = True

    @shows(LeavingSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """What would be withdrawn, and the experts that would go with it."""
        version = access.version_controlled_by(self.member, pk)
        gone = version.status == DatasetVersion.Status.WITHDRAWN
        return self.shown(LeavingSerializer, _leaving([] if gone else [version]))

    @takes(WithdrawSerializer, VersionSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Withdraw this version alone, with every expert that learnt from it. For good."""
        version = access.version_controlled_by(self.member, pk)
        reason = self.filled(WithdrawSerializer).cleaned_data["reason"]
        actions.dataset_withdraw(
            actor=self.member, dataset=version.dataset, version=version, reason=reason
        )
        version.refresh_from_db()
        return self.shown(VersionSerializer, version)


class VersionReport(Endpoint):
    @shows(OpenApiTypes.OBJECT)
    def get(self, request: Request, pk: int) -> Response:
        """What the check found in it."""
        version, report = _checked(self, pk)
        mine = version.dataset.owner_id == self.person.pk
        may_know = mine or (self.person.is_authenticated and self.person.is_steward)
        return Response(report_json(version, report, for_owner=may_know))


class PreviewRows(Endpoint):
    @lists(RowSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Its first rows, a hundred at most, as they came."""
        _, report = _checked(self, pk)
        return self.listed(RowSerializer, report.preview)


def _checked(endpoint: Endpoint, pk: int) -> tuple[DatasetVersion, Report]:
    version = access.version_visible_to(endpoint.person, pk)
    report = version.report
    if report is None:
        raise Http404("not checked yet")
    return version, report


class _Download(Endpoint):
    part: str

    def send(self, pk: int) -> Attachment:
        version = access.version_visible_to(self.person, pk)
        stored, name = {
            "upload": (version.file, upload_name(version)),
            "rows": (version.rows_file, rows_name(version)),
        }[self.part]
        if not stored:
            raise Http404("Only a version without errors has rows, and what is erased has none.")
        try:
            return Attachment(stored.open("rb"), name)
        except FileNotFoundError as error:
            raise Http404("This file was erased.") from error


class File(_Download):
    part = "upload"

    @shows(BINARY)
    def get(self, request: Request, pk: int) -> Attachment:
        """The file as it was brought."""
        return self.send(pk)


class RowsFile(_Download):
    part = "rows"

    @shows(BINARY)
    def get(self, request: Request, pk: int) -> Attachment:
        """All its rows as experts read them: JSON lines of prompt and completion."""
        return self.send(pk)


class Recheck(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(None, VersionSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Have it checked once more, where the check broke off."""
        version = access.version_owned_by(self.member, pk)
        return self.shown(VersionSerializer, actions.version_recheck(version=version))


class Columns(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(ColumnsSerializer, VersionSerializer)
    def put(self, request: Request, pk: int) -> Response:
        """Say which column is what, where the check could not tell. Then it goes on."""
        version = access.version_owned_by(self.member, pk)
        said = self.sent(ColumnsSerializer)["columns"]
        report = version.report
        names = [column.name for column in preview.columns(report)] if report else []
        if unknown := said.keys() - set(names):
            raise serializers.ValidationError(
                {"columns": [f"There is no column called {', '.join(sorted(unknown))}."]}
            )
        chosen = {f"column_{place}": said.get(name, "") for place, name in enumerate(names)}
        form = MappingForm(chosen, columns=names, mapping={})
        if not form.is_valid():
            raise serializers.ValidationError({"columns": list(map(str, form.non_field_errors()))})
        version = actions.version_map(version=version, mapping=form.mapping)
        return self.shown(VersionSerializer, version)


class Acknowledge(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(AcknowledgeSerializer, VersionSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Answer for the personal data that was found in it, in public."""
        version = access.version_owned_by(self.member, pk)
        reason = self.filled(AcknowledgeSerializer).cleaned_data["reason"]
        return self.shown(
            VersionSerializer, actions.version_acknowledge(version=version, reason=reason)
        )


class Mask(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(None, VersionSerializer, status=202)
    def post(self, request: Request, pk: int) -> Response:
        """Have a version made without the personal data that was found. A worker makes it."""
        version = access.version_owned_by(self.member, pk)
        actions.version_mask(version=version)
        return self.shown(VersionSerializer, version, 202)
