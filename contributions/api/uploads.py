"""Uploads in parts: the endpoints that pages and programs share (docs/uploads.md)."""

import base64
import binascii
import re
from dataclasses import asdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from contributions import access, actions
from contributions.allowance import allowance_of
from contributions.forms import UploadForm
from contributions.models import Upload
from mosaic_site.api.endpoints import Endpoint, shows, takes
from mosaic_site.api.forms import FormSerializer
from mosaic_site.api.parsers import RawBody
from mosaic_site.members.models import Scope

# https://www.rfc-editor.org/rfc/rfc9530#section-2
CONTENT_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


class NewUploadSerializer(FormSerializer):
    """`name` of a new dataset, the `dataset` of which this is the next version, or neither, with
    the purpose of an adapter."""

    form = UploadForm

    dataset = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, required=False, allow_null=True
    )


class UploadSerializer(serializers.ModelSerializer[Upload]):
    dataset = serializers.SerializerMethodField(allow_null=True)
    version = serializers.IntegerField(source="version_id", allow_null=True)
    sha256 = serializers.SerializerMethodField(
        allow_null=True, help_text="Of the whole, once it was put together."
    )
    part_count = serializers.IntegerField()
    parts = serializers.SerializerMethodField(
        help_text="The numbers of the parts that are here, and their SHA-256."
    )
    url = serializers.SerializerMethodField()
    finish = serializers.SerializerMethodField()
    page = serializers.SerializerMethodField()

    class Meta:
        model = Upload
        fields = (
            "id", "purpose", "name", "dataset", "filename", "size", "part_bytes", "part_count",
            "status", "version", "sha256", "problem", "remedy", "parts", "url", "finish", "page",
        )  # fmt: skip

    def get_dataset(self, upload: Upload) -> int | None:
        return upload.version.dataset_id if upload.version else upload.dataset_id

    def get_sha256(self, upload: Upload) -> str | None:
        return upload.version.sha256 if upload.version else None

    def get_page(self, upload: Upload) -> str:
        return (upload.version or upload).get_absolute_url()

    def get_parts(self, upload: Upload) -> dict[str, str]:
        return {str(part.number): part.sha256 for part in upload.parts.all()}

    def get_url(self, upload: Upload) -> str:
        return reverse("api:upload", args=[upload.pk])

    def get_finish(self, upload: Upload) -> str:
        return reverse("api:upload_finish", args=[upload.pk])


class AllowanceSerializer(serializers.Serializer[Any]):
    """In bytes; `open` counts unfinished uploads."""

    file = serializers.IntegerField(help_text="One file, in parts.")
    form = serializers.IntegerField(help_text="One file, sent whole.")
    quota = serializers.IntegerField()
    used = serializers.IntegerField()
    most_open = serializers.IntegerField()
    open = serializers.IntegerField()


class UploadsSerializer(serializers.Serializer[Any]):
    allowance = AllowanceSerializer()
    uploads = UploadSerializer(many=True)


class PartSerializer(serializers.Serializer[Any]):
    part = serializers.IntegerField()
    sha256 = serializers.CharField()


class Uploads(Endpoint):
    scope = Scope.DATASETS_WRITE
    members_only = True

    @shows(UploadsSerializer)
    def get(self, request: Request) -> Response:
        """Your limits and room, and your unfinished uploads."""
        uploads = access.uploads_owned_by(self.member).unfinished().prefetch_related("parts")
        told = {"allowance": asdict(allowance_of(self.member)), "uploads": uploads}
        return self.shown(UploadsSerializer, told)

    @takes(NewUploadSerializer, UploadSerializer, status=201)
    def post(self, request: Request) -> Response:
        """Start one. Its size and name are reserved from now on."""
        values = self.filled(NewUploadSerializer).cleaned_data
        number = values.pop("dataset")
        dataset = access.dataset_owned_by(self.member, number) if number else None
        upload = actions.upload_start(owner=self.member, dataset=dataset, **values)
        return self.shown(UploadSerializer, upload, 201)


class OneUpload(Endpoint):
    scope = Scope.DATASETS_WRITE
    members_only = True
    parser_classes = [RawBody]

    @shows(UploadSerializer)
    def get(self, request: Request, pk: int) -> Response:
        """Which parts of it are here."""
        return self.shown(UploadSerializer, access.upload_owned_by(self.member, pk))

    @extend_schema(
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses=PartSerializer,
        parameters=[
            OpenApiParameter("part", OpenApiTypes.INT64, required=True, description="From 1."),
            OpenApiParameter(
                "Content-Digest",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                required=True,
                description="`sha-256=:BASE64:` (RFC 9530).",
            ),
        ],
    )
    def put(self, request: Request, pk: int) -> Response:
        """Send a part. In any order, and as often as you like."""
        upload = access.upload_owned_by(self.member, pk)
        number = request.query_params.get("part", "")
        length = request.META.get("CONTENT_LENGTH") or ""
        sha256 = _content_digest(request)
        if not (number.isdecimal() and len(number) < 10 and length.isdecimal() and sha256):
            raise serializers.ValidationError(
                "A part needs its number, its length and its SHA-256. PUT it to ?part=N, with "
                "Content-Length and with “Content-Digest: sha-256=:BASE64:” (RFC 9530)."
            )
        actions.part_receive(
            upload=upload,
            number=int(number),
            sha256=sha256,
            size=int(length),
            body=request._request,
        )
        return self.shown(PartSerializer, {"part": int(number), "sha256": sha256})

    @shows(None, status=204)
    def delete(self, request: Request, pk: int) -> Response:
        """Give the upload up. Its room is free at once."""
        actions.upload_abort(upload=access.upload_owned_by(self.member, pk))
        return Response(status=204)


class FinishUpload(Endpoint):
    scope = Scope.DATASETS_WRITE

    @takes(None, UploadSerializer, status=202)
    def post(self, request: Request, pk: int) -> Response:
        """All parts are here: a worker puts them together and checks the whole. GET the upload to
        hear how far that is. An adapter waits until an expert is made of it."""
        upload = access.upload_owned_by(self.member, pk)
        if upload.is_adapter:
            sha256 = actions.adapter_sha256(upload=upload)
            page = f"{reverse('contributions:expert_bring')}?upload={upload.pk}"
            told = UploadSerializer(upload).data | {"sha256": sha256, "page": page}
            return Response(told, 202)
        return self.shown(UploadSerializer, actions.upload_finish(upload=upload), 202)


def _content_digest(request: Request) -> str:
    """The SHA-256 that the header announces, in hexadecimal; empty without one."""
    found = CONTENT_DIGEST.search(request.headers.get("Content-Digest", ""))
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        return ""
    return digest.hex() if len(digest) == 32 else ""
