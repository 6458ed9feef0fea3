"""The lines of a text file, read one by one: broken bytes are reported, never raised."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from contributions.intake.recognise import Encoding

# In UTF-8 a byte that cannot be decoded arrives as a lone surrogate (PEP 383); UTF-16 has no such
# door, so there it arrives as the replacement character.
_BROKEN = {
    "utf-8-sig": re.compile("[\ud800-\udfff]"),
    "utf-16": re.compile("[\ud800-\udfff\ufffd]"),
}
_ON_ERROR = {"utf-8-sig": "surrogateescape", "utf-16": "replace"}


@dataclass(frozen=True)
class Fault:
    """Why a line cannot be used."""

    problem: str
    expected: str
    remedy: str


NUL = Fault(
    "There is a NUL character in this row.",
    "text without NUL characters",
    "Remove the NUL characters; they usually come from a damaged or binary export.",
)
BROKEN_TEXT = Fault(
    "This row is not valid text in the encoding of the file.",
    "UTF-8",
    "Save the file again as UTF-8 ('CSV UTF-8' in a spreadsheet program).",
)


@dataclass(frozen=True)
class Line:
    number: int  # from 1
    text: str  # with its line break; empty when it is too long
    fault: Fault | None


class Lines:
    """Iterates over the lines of a file, and knows how many bytes it has read."""

    def __init__(self, path: Path, encoding: Encoding, max_chars: int) -> None:
        self._bytes = path.open("rb")
        # newline="" leaves line breaks inside quoted cells as they are.
        self._stream = io.TextIOWrapper(
            self._bytes, encoding=encoding, errors=_ON_ERROR[encoding], newline=""
        )
        self._broken = _BROKEN[encoding]
        self._max_chars = max_chars
        self._too_long = Fault(
            f"This line is longer than {max_chars:,} characters.",
            f"lines of at most {max_chars:,} characters",
            "Check that the file has line breaks, one example a row.",
        )
        self.number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.close()

    @property
    def bytes_done(self) -> int:
        return self._bytes.tell()

    def __iter__(self) -> Iterator[Line]:
        while text := self._stream.readline(self._max_chars):
            self.number += 1
            if len(text) == self._max_chars and not text.endswith(("\n", "\r")):
                self._skip_rest_of_line()
                yield Line(self.number, "", self._too_long)
            else:
                yield Line(self.number, text, self._fault(text))

    def _fault(self, text: str) -> Fault | None:
        if "\x00" in text:
            return NUL
        if self._broken.search(text):
            return BROKEN_TEXT
        return None

    def _skip_rest_of_line(self) -> None:
        while rest := self._stream.readline(self._max_chars):
            if rest.endswith(("\n", "\r")):
                return
