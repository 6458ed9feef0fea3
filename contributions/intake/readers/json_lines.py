"""Rows from JSON Lines."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.json

from contributions.intake.batch import Batch, clean_batch
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.lines import Line, Lines
from contributions.intake.readers.reader import (
    HEAD_ROWS,
    Reader,
    chunks_of_lines,
    in_batches,
    line_breaks,
)
from contributions.intake.recognise import HEAD_BYTES
from contributions.intake.row import Place
from contributions.intake.shapes import Record, kind
from contributions.intake.unpack import Plain

_FLAT = ("prompt_completion", "text_label", "plain_text")
_REMEDY = 'Write the row as {"prompt": "...", "completion": "..."}.'


class JsonLines(Reader):
    """Chunks in which every row is as it should be are read by Arrow; any other line by line."""

    format = "jsonl"

    def __init__(self, plain: Plain, findings: Findings, limits: Limits) -> None:
        super().__init__(plain, findings, limits)
        with self._path.open("rb") as stream:
            stream.seek(plain.before)
            start = stream.read(HEAD_BYTES)
        whole = plain.size <= plain.before + len(start)
        lines = start if whole else start[: start.rfind(b"\n") + 1] or start
        ahead = JsonRecords(Findings(), limits)
        found: list[Record] = []
        for line in Lines(io.BytesIO(lines), limits.max_line_chars):
            record = ahead.record(line, Place(1, 1))
            if record is not None:
                found.append(record)
            if len(found) == HEAD_ROWS:
                break
        self.head = found
        self.names = names_of(self.head)

    def batches(self) -> Iterator[Batch]:
        with self._path.open("rb") as stream:
            stream.seek(self._plain.before)
            for chunk, before in chunks_of_lines(stream):
                self.bytes_done = stream.tell()
                batch = self._clean(chunk, before)
                if batch is None:
                    yield from in_batches(self._shaped(self._records(chunk, before)))
                else:
                    self.rows_read += len(batch)
                    yield batch

    def _clean(self, chunk: bytes, before: int) -> Batch | None:
        """The rows of a chunk, or None if one of them has to be looked at."""
        mapping = self.mapping
        # Arrow takes an escaped NUL for text.
        if mapping is None or mapping.shape not in _FLAT or b"\\u0000" in chunk:
            return None
        first = self.head[0] if self.head else {}
        numbers = {name for name in mapping.used if type(first.get(name)) is int}
        schema = [(name, pa.int64() if name in numbers else pa.string()) for name in mapping.used]
        parse = pyarrow.json.ParseOptions(
            explicit_schema=pa.schema(schema), unexpected_field_behavior="ignore"
        )
        try:
            table = pyarrow.json.read_json(pa.BufferReader(chunk), parse_options=parse)
            table.validate(full=True)
        except (pa.ArrowException, ValueError):  # ValueError: its message is not UTF-8 itself
            return None
        lines = line_breaks(chunk) + (not chunk.endswith(b"\n"))
        if table.num_rows != lines:
            return None
        at = np.arange(before + 1, before + lines + 1)
        return clean_batch(table, mapping, self._limits, self.rows_read + 1, at)

    def _records(self, chunk: bytes, before: int) -> Iterator[tuple[Record, Place]]:
        read = JsonRecords(self._findings, self._limits, self.mapping.used if self.mapping else ())
        for line in Lines(io.BytesIO(chunk), self._limits.max_line_chars, before):
            if not line.text.strip() and not line.fault:
                continue
            self.rows_read += 1
            place = Place(self.rows_read, line.number)
            record = read.record(line, place)
            if record is not None:
                yield record, place


class JsonRecords:
    """Parses lines, and says what is wrong with those that hold no object."""

    def __init__(self, findings: Findings, limits: Limits, used: tuple[str, ...] = ()) -> None:
        self._findings = findings
        self._limits = limits
        self._used = tuple(f'"{name}"' for name in used)

    def record(self, line: Line, place: Place) -> Record | None:
        if line.fault:
            fault = line.fault
            self._error(place, fault.problem, fault.expected, fault.remedy)
            return None
        record = self._parse(line.text, place)
        if record is None:
            return None
        if not isinstance(record, dict):
            self._bad(place, f"The line is {kind(record)}, not an object.")
            return None
        for name in self._used:
            if line.text.count(name) > 1 and (twice := key_that_occurs_twice(line.text)):
                self._bad(place, f"The key {twice!r} occurs twice.")
                return None
        return record

    def _parse(self, text: str, place: Place) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # the standard library says better where, and takes what can be taken
        try:
            return json.loads(text, parse_constant=refuse_constant)
        except json.JSONDecodeError as error:
            problem = f"The line is not valid JSON: {error.msg} at character {error.colno}."
        except RecursionError:
            problem = "The line is not usable JSON: it is nested too deeply."
        except NotANumber as error:
            problem = f"The line is not valid JSON: {error}"
        except ValueError:
            problem = "The line is not usable JSON: it holds a number with too many digits."
        self._bad(place, problem)
        return None

    def _bad(self, place: Place, problem: str) -> None:
        self._error(place, problem, "one JSON object on each line", _REMEDY)

    def _error(self, place: Place, problem: str, expected: str, remedy: str) -> None:
        self._findings.add(
            "error", problem, expected=expected, remedy=remedy, row=place.row, line=place.line
        )


class NotANumber(ValueError):
    """NaN or Infinity, which JSON does not have."""


def refuse_constant(name: str) -> None:
    raise NotANumber(f"it has no {name}; write null or leave it out.")


def key_that_occurs_twice(text: str) -> str | None:
    found: list[str] = []

    def look(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        found.extend(name for name in set(names) if names.count(name) > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=look)
    return min(found, default=None)


def names_of(records: Sequence[Record]) -> list[str]:
    """All keys, in the order in which they first occur."""
    return list(dict.fromkeys(name for record in records for name in record))
