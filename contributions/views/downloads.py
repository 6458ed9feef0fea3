"""Taking a version away: a link that holds for some minutes, and the file behind it.

Media are served nowhere else. Whoever may see a version is led to a link made for them; the link
asks again who comes and whether they still may, so that a copied link opens nothing private.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import IO

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core import signing
from django.core.files import File
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from contributions import access
from contributions.card import readme
from contributions.filenames import rows_name, upload_name
from contributions.models import DatasetVersion

LINK_LASTS = timedelta(minutes=5)
SALT = "contributions.download"


def version_download(request: HttpRequest, pk: int) -> HttpResponse:
    """The file as it was brought."""
    return _to_link(request, access.version_visible_to(request.user, pk), "upload")


def version_rows(request: HttpRequest, pk: int) -> HttpResponse:
    """Its rows as experts read them."""
    version = access.version_visible_to(request.user, pk)
    if not version.rows_file:
        raise Http404("Only a version without errors has rows.")
    return _to_link(request, version, "rows")


def _to_link(request: HttpRequest, version: DatasetVersion, part: str) -> HttpResponse:
    return redirect("contributions:download", link=link_for(request.user, version, part))


def link_for(person: access.Person, version: DatasetVersion, part: str) -> str:
    """The signed part of an address; `part`: upload or rows."""
    return signing.dumps([version.pk, part, person.pk], salt=SALT, compress=True)


def download(request: HttpRequest, link: str) -> HttpResponse | FileResponse:
    """The file, for whom the link was made, while it holds and they still may see the version."""
    try:
        pk, part, person = signing.loads(link, salt=SALT)
    except signing.BadSignature as error:
        raise Http404("This site made no such link.") from error
    if person not in (None, request.user.pk):
        raise Http404("This link was made for somebody else.")
    version = access.version_visible_to(request.user, pk)
    try:
        signing.loads(link, salt=SALT, max_age=LINK_LASTS)
    except signing.SignatureExpired:
        messages.info(request, "That link had expired. Download the file from here once more.")
        return redirect(version)
    stored, name = {
        "upload": (version.file, upload_name(version)),
        "rows": (version.rows_file, rows_name(version)),
    }[part]
    try:
        return Attachment(stored.open("rb"), name)
    except FileNotFoundError as error:
        raise Http404("This file was erased.") from error


class Attachment(FileResponse):
    """A file that is saved and never shown, sent in blocks by an asynchronous server too.

    Django reads all of a synchronous file into memory there.
    """

    block_size = 2**18

    def __init__(self, file: IO[bytes] | File[bytes], name: str) -> None:
        super().__init__(
            file, as_attachment=True, filename=name, content_type="application/octet-stream"
        )
        self.headers["Cache-Control"] = "private, no-store"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        blocks = iter(self)
        next_block = sync_to_async(lambda: next(blocks, b""))
        while block := await next_block():
            yield block


def dataset_readme(request: HttpRequest, pk: int) -> HttpResponse:
    """The card, as the file that the Hub reads."""
    dataset = access.dataset_visible_to(request.user, pk)
    newest = access.valid_versions_of(dataset, request.user).first()
    return HttpResponse(
        readme(dataset, newest),
        content_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="README.md"'},
    )
