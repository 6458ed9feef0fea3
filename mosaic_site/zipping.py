"""Many files as one zip that is written while it is sent, so that its size costs no memory."""

import io
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse

Part = tuple[str, Iterable[bytes]]
"""A file of the zip: its name and its content, bit by bit."""
BLOCK = 2**18


class ZipResponse(StreamingHttpResponse):
    """A download of these files. Sent bit by bit by an asynchronous server too, where Django would
    read it all first."""

    def __init__(self, parts: Iterable[Part], filename: str) -> None:
        super().__init__(
            zipped(parts),
            content_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{filename}"',
                "Cache-Control": "private, no-store",
            },
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        blocks = iter(self)
        while block := await sync_to_async(lambda: next(blocks, b""))():
            yield block


class _Sink(io.RawIOBase):
    """What the zip is written to, and taken from while it grows."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def taken(self) -> bytes:
        taken = b"".join(self._blocks)
        self._blocks.clear()
        return taken


def zipped(parts: Iterable[Part]) -> Iterator[bytes]:
    """The bytes of a zip of these files, never empty, as they come to be."""
    sink = _Sink()
    with ZipFile(sink, "w") as archive:
        for name, content in parts:
            with archive.open(_entry(name), "w", force_zip64=True) as entry:
                for block in content:
                    entry.write(block)
                    if written := sink.taken():
                        yield written
    yield sink.taken()


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, time.localtime()[:6])
    # Numbers at random are not made smaller by any effort.
    entry.compress_type = ZIP_STORED if name.endswith(".safetensors") else ZIP_DEFLATED
    return entry


def blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stored:
        while block := stored.read(BLOCK):
            yield block
