"""Rows from one JSON list of objects, read element by element."""

import codecs
import json
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any

from contributions.intake.batch import Batch
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.readers.json_lines import NotANumber, names_of, refuse_constant
from contributions.intake.readers.reader import HEAD_ROWS, Reader, in_batches
from contributions.intake.row import Place
from contributions.intake.shapes import Record, kind
from contributions.intake.unpack import Plain

_BLOCK = 1024 * 1024


class JsonArray(Reader):
    """A list is broken where its first element is: what comes after cannot be told apart."""

    format = "json"

    def __init__(self, plain: Plain, findings: Findings, limits: Limits) -> None:
        super().__init__(plain, findings, limits)
        ahead = self._elements(Findings())
        self.head = [record for record, _ in islice(ahead, HEAD_ROWS)]
        ahead.close()
        self.names = names_of(self.head)
        self.rows_read = self.bytes_done = 0

    def batches(self) -> Iterator[Batch]:
        yield from in_batches(self._shaped(self._elements(self._findings)))

    def _elements(self, findings: Findings) -> Generator[tuple[Record, Place], None, None]:
        text = _Text(self, self._plain, self._limits.max_line_chars)
        with text.stream:
            text.skip("[")
            if text.skip("]"):
                return
            while True:
                place = Place(self.rows_read + 1, text.line)
                try:
                    value = text.value()
                    closed = not text.skip(",")
                    if closed and not text.skip("]"):
                        raise _Broken("a comma or the end of the list is missing after it")
                except _Broken as error:
                    self.rows_read += 1
                    findings.add(
                        "error",
                        f"The element is not usable JSON: {error}. The rest is not read.",
                        expected="objects with commas between them, in [ and ]",
                        remedy="Mend it here, or write an object a line (JSON Lines).",
                        row=place.row,
                        line=place.line,
                    )
                    return
                self.rows_read += 1
                if isinstance(value, dict):
                    yield value, place
                else:
                    findings.add(
                        "error",
                        f"The element is {kind(value)}, not an object.",
                        expected='objects such as {"prompt": "...", "completion": "..."}',
                        remedy="Correct the element or delete it.",
                        row=place.row,
                        line=place.line,
                    )
                if closed:
                    return


class _Broken(ValueError):
    """Why an element cannot be parsed."""


class _Text:
    """A window on the text that moves from element to element."""

    def __init__(self, reader: Reader, plain: Plain, most: int) -> None:
        self.stream = plain.path.open("rb")
        self.stream.seek(plain.before)
        self._reader = reader
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._json = json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=_once)
        self._most = most
        self._window = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def skip(self, mark: str) -> bool:
        """Move behind spaces, and behind `mark` and the spaces after it if it stands there."""
        self._skip_spaces()
        if not self._window.startswith(mark, self._at):
            return False
        self._move(self._at + len(mark))
        self._skip_spaces()
        return True

    def _skip_spaces(self) -> None:
        while True:
            end = self._at
            while end < len(self._window) and self._window[end] in " \t\r\n":
                end += 1
            self._move(end)
            if end < len(self._window) or not self._more():
                return

    def value(self) -> Any:
        while True:
            try:
                value, end = self._json.raw_decode(self._window, self._at)
            except json.JSONDecodeError as error:
                if len(self._window) - self._at > self._most:
                    raise _Broken(f"it is longer than {self._most:,} characters") from error
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._window) - 16
                if cut and self._more():
                    continue
                raise _Broken(f"{error.msg} at character {error.pos - self._at + 1}") from error
            except RecursionError as error:
                raise _Broken("it is nested too deeply") from error
            except (_Broken, NotANumber) as error:
                raise _Broken(str(error)) from error
            except ValueError as error:
                raise _Broken("it holds a number with too many digits") from error
            self._move(end)
            return value

    def _move(self, to: int) -> None:
        self.line += self._window.count("\n", self._at, to)
        self._at = to

    def _more(self) -> bool:
        if self._ended:
            return False
        block = self.stream.read(_BLOCK)
        self._ended = not block
        self._window = self._window[self._at :] + self._decoder.decode(block, final=self._ended)
        self._at = 0
        self._reader.bytes_done = self.stream.tell()
        return not self._ended


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _Broken("a key occurs twice in it")
    return made
