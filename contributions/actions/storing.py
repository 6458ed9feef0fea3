"""Bytes on their way to the storage: read once, hashed as they pass, never whole in memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from django.core.files.base import File
from django.core.files.storage import default_storage

_CHUNK_BYTES = 2**18


class Source(Protocol):
    """An open file, or the body of a request."""

    def read(self, size: int, /) -> bytes: ...


class _Hashed(io.RawIOBase):
    """Sources read one after another as one stream, hashed and counted."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = iter(sources)
        self._source: Source | None = next(self._sources, None)
        self.sha256 = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while self._source is not None:
            if data := self._source.read(len(buffer)):
                buffer[: len(data)] = data
                self.sha256.update(data)
                self.size += len(data)
                return len(data)
            self._source = next(self._sources, None)
        return 0


@dataclass(frozen=True)
class Stored:
    """What was written, and under which name."""

    name: str
    sha256: str
    size: int


def store(name: str, sources: Iterable[Source]) -> Stored:
    """Write `sources` as one file. `name` must be new: what is half-written is deleted again."""
    stream = _Hashed(sources)
    try:
        stored = default_storage.save(name, File(io.BufferedReader(stream, _CHUNK_BYTES)))
    except OSError:
        default_storage.delete(name)
        raise
    return Stored(stored, stream.sha256.hexdigest(), stream.size)
