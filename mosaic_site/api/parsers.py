"""Bodies that are read into memory whole, and therefore only up to a size."""

import io
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.parsers import FileUploadParser, FormParser, JSONParser

from mosaic_site.api.problems import TooLarge


def _read(stream: Any) -> io.BytesIO:
    """All of it, up to DATA_UPLOAD_MAX_MEMORY_SIZE. Raises TooLarge."""
    most: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    content = stream.read(most + 1)
    if len(content) > most:
        raise TooLarge
    return io.BytesIO(content)


class SmallJSON(JSONParser):
    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, Any]:
        return super().parse(_read(stream), media_type, parser_context)


class SmallForm(FormParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return super().parse(_read(stream), media_type, parser_context)


class RawBody(FileUploadParser):
    """For bytes as they are: the view reads them from the request itself, bit by bit."""

    media_type = "application/octet-stream"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        return {}
