"""The lines of a text in UTF-8, read one by one: broken bytes are reported, never raised."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

# A byte that cannot be decoded arrives as a lone surrogate (PEP 383).
_BROKEN = re.compile("[\ud800-\udfff]")


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
    """Iterates over the lines of `stream`; `before` lines of the file came before them."""

    def __init__(self, stream: BinaryIO, max_chars: int, before: int = 0) -> None:
        # newline="" leaves line breaks inside quoted cells as they are.
        self._stream = io.TextIOWrapper(
            stream, encoding="utf-8", errors="surrogateescape", newline=""
        )
        self._max_chars = max_chars
        self._too_long = Fault(
            f"This line is longer than {max_chars:,} characters.",
            f"lines of at most {max_chars:,} characters",
            "Check that the file has line breaks, one example a row.",
        )
        self.number = before

    def __iter__(self) -> Iterator[Line]:
        while text := self._stream.readline(self._max_chars):
            self.number += 1
            if len(text) == self._max_chars and not text.endswith(("\n", "\r")):
                self._skip_rest_of_line()
                yield Line(self.number, "", self._too_long)
            else:
                yield Line(self.number, text, self._fault(text))
        self._stream.detach()

    def _fault(self, text: str) -> Fault | None:
        if "\x00" in text:
            return NUL
        # isascii is a look at a flag; the search would read every character.
        if not text.isascii() and _BROKEN.search(text):
            return BROKEN_TEXT
        return None

    def _skip_rest_of_line(self) -> None:
        while rest := self._stream.readline(self._max_chars):
            if rest.endswith(("\n", "\r")):
                return
