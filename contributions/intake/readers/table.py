"""Rows from CSV and TSV files."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from contributions.intake.batch import Batch, clean_batch
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.lines import Fault, Lines
from contributions.intake.mapping import choose_mapping
from contributions.intake.readers.reader import CHUNK, HEAD_ROWS, Reader, in_batches, line_breaks
from contributions.intake.recognise import HEAD_BYTES
from contributions.intake.row import Place
from contributions.intake.shapes import Record
from contributions.intake.unpack import Plain

_FLAT = ("prompt_completion", "text_label", "plain_text")
_LONGEST_NAME = 40
_QUOTE, _NEWLINE, _RETURN = b'"'[0], b"\n"[0], b"\r"[0]


class Table(Reader):
    """A table whose first line may name the columns.

    A chunk that ends with a row and whose quotes stand where they should is read by Arrow, or row
    by row if there is something to say about one of its rows. Where quotes stand elsewhere, only
    reading cell by cell can tell where a row ends: that is done from there to the end.
    """

    def __init__(self, plain: Plain, findings: Findings, limits: Limits) -> None:
        super().__init__(plain, findings, limits)
        self._delimiter = plain.recognised.delimiter
        self.format = "tsv" if self._delimiter == "\t" else "csv"
        with self._path.open("rb") as stream:
            stream.seek(plain.before)
            start = stream.read(HEAD_BYTES)
        # The last row may be cut off, so what is wrong with it is not said here.
        ahead = _Cells(io.BytesIO(start), self._delimiter, Findings(), limits)
        rows = [cells for _, cells in islice(ahead.rows(), HEAD_ROWS + 1)]
        if plain.size > plain.before + len(start):
            rows = rows[:-1] or rows
        # The first row decides on everything, so what is wrong with it concerns the file.
        first = _Cells(io.BytesIO(start), self._delimiter, findings, limits).first()
        self.has_header = first is not None and _names_columns(first, rows[1:])
        if first is None:  # as the findings say
            return
        names = [name.strip() for name in first] if self.has_header else []
        self.names = names or [f"column {at}" for at in range(1, len(first) + 1)]
        data = rows[1:] if self.has_header else rows
        self.head = [
            dict(zip(self.names, row, strict=True)) for row in data if len(row) == len(self.names)
        ][:HEAD_ROWS]

    def batches(self) -> Iterator[Batch]:
        if not self.names:
            return
        with self._path.open("rb") as stream:
            stream.seek(self._plain.before)
            buffer, before = stream.read(CHUNK), 0
            header = self.has_header
            if header and (skipped := _one_line(buffer)):
                buffer, before, header = buffer[skipped:], buffer.count(b"\n", 0, skipped), False
            while buffer:
                ended = stream.tell() >= self._plain.size
                end = None if header else self._end_of_rows(buffer, final=ended)
                if end is None:
                    stream.seek(stream.tell() - len(buffer))
                    yield from in_batches(self._shaped(self._cell_by_cell(stream, before, header)))
                    return
                chunk = buffer[:end]
                batch = self._clean(chunk, before)
                if batch is None:
                    records = self._cell_by_cell(io.BytesIO(chunk), before, header)
                    yield from in_batches(self._shaped(records))
                else:
                    self.rows_read += len(batch)
                    yield batch
                self.bytes_done = stream.tell()
                before += line_breaks(chunk)
                buffer = buffer[end:] + stream.read(CHUNK)

    def _end_of_rows(self, buffer: bytes, *, final: bool) -> int | None:
        """Where the last row that is complete ends; None if that is not plain to see."""
        marks = np.frombuffer(buffer, np.uint8)
        returns = np.flatnonzero(marks[:-1] == _RETURN)
        if not (marks[returns + 1] == _NEWLINE).all():
            return None
        if b'"' not in buffer:
            return len(buffer) if final else (buffer.rfind(b"\n") + 1 or None)
        quotes = np.flatnonzero(marks == _QUOTE)
        end = len(buffer)
        if final and len(quotes) % 2:
            return None
        if not final:
            # A line break with an even number of quotes before it stands in no cell.
            end = buffer.rfind(b"\n") + 1
            while end and np.searchsorted(quotes, end) % 2:
                end = buffer.rfind(b"\n", 0, end - 1) + 1
        quotes = quotes[: np.searchsorted(quotes, end)]
        # The ends of the buffer are ends of rows.
        before, after = marks[quotes[0::2] - 1], marks[np.minimum(quotes[1::2] + 1, end - 1)]
        before[:1][quotes[:1] == 0] = _NEWLINE
        after[-1:][quotes[-1:] == end - 1] = _NEWLINE
        outside = np.zeros(256, np.bool_)
        outside[[ord(self._delimiter), _NEWLINE, _QUOTE]] = True
        plain = outside[before].all() and (outside[after] | (after == _RETURN)).all()
        return end if end and plain else None

    def _clean(self, chunk: bytes, before: int) -> Batch | None:
        """The rows of a chunk, or None if one of them has to be looked at."""
        mapping = self.mapping
        if mapping is None or mapping.shape not in _FLAT or b"\x00" in chunk:
            return None
        lines = _lines_of_rows(chunk, before)
        used = {str(self.names.index(name)): name for name in mapping.used}
        convert = pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(used, pa.string()),
            include_columns=list(used),
            strings_can_be_null=False,
        )
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(chunk),
                pyarrow.csv.ReadOptions(column_names=[str(n) for n in range(len(self.names))]),
                pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=b'"' in chunk
                ),
                convert,
            )
        except (pa.ArrowException, ValueError):
            return None
        if table.num_rows != len(lines):
            return None
        table = table.rename_columns(list(used.values()))
        return clean_batch(table, mapping, self._limits, self.rows_read + 1, lines)

    def _cell_by_cell(
        self, stream: BinaryIO, before: int, header: bool
    ) -> Iterator[tuple[Record, Place]]:
        cells = _Cells(stream, self._delimiter, self._findings, self._limits, before)
        if header:
            cells.first()
        cells.rows_read = self.rows_read
        for place, row in cells.rows():
            self.rows_read = cells.rows_read
            self.bytes_done = max(self.bytes_done, stream.tell())
            if len(row) == len(self.names):
                yield dict(zip(self.names, row, strict=True)), place
                continue
            self._findings.add(
                "error",
                f"The row has {len(row)} cell{'s' if len(row) != 1 else ''}.",
                expected=f"{len(self.names)} cells, as in the first line",
                remedy="Put cells that contain the delimiter or a line break in quotes.",
                row=place.row,
                line=place.line,
            )
        self.rows_read = cells.rows_read


class _Cells:
    """Rows of cells, read as strictly as the format allows."""

    def __init__(
        self,
        stream: BinaryIO,
        delimiter: str,
        findings: Findings,
        limits: Limits,
        before: int = 0,
    ) -> None:
        self._lines = Lines(stream, limits.max_line_chars, before)
        self._findings = findings
        self._faults: list[Fault] = []  # of the lines that the current row was read from
        # strict: a quote that is never closed is an error instead of one endless cell.
        self._reader = csv.reader(
            self._feed(), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        self.rows_read = 0

    def first(self) -> list[str] | None:
        """The first row, None, with a finding about the file, if it cannot be cut into cells."""
        found = self._next(header=True)
        return found[1] if found else None

    def rows(self) -> Iterator[tuple[Place, list[str]]]:
        while found := self._next():
            yield found

    def _feed(self) -> Iterator[str]:
        for line in self._lines:
            if line.fault:
                self._faults.append(line.fault)
            yield line.text

    def _next(self, *, header: bool = False) -> tuple[Place, list[str]] | None:
        """The cells of the next row that could be cut into cells; None at the end."""
        while True:
            self._faults.clear()
            place = Place(self.rows_read + 1, self._lines.number + 1)
            try:
                cells = next(self._reader)
            except StopIteration:
                return None
            except csv.Error as error:
                self.rows_read += not header
                if not self._goes_on_after(str(error), place, header=header):
                    return None
                continue
            if not cells and not self._faults:
                continue
            self.rows_read += not header
            if not self._faults:
                return place, cells
            self._add(self._faults[0], place, header=header)
            if header:
                return None

    def _add(self, fault: Fault, place: Place, *, header: bool) -> None:
        self._findings.add(
            "error",
            fault.problem,
            expected=fault.expected,
            remedy=fault.remedy,
            row=None if header else place.row,
            line=place.line,
        )

    def _goes_on_after(self, error: str, place: Place, *, header: bool) -> bool:
        """Report what the csv module says; whether reading on makes sense."""
        endless = "field limit" in error
        never_closed = "end of data" in error
        if endless:
            problem = (
                "A cell is endless here: is its quote closed? The rest of the file is not read."
            )
        elif never_closed:
            problem = "A quoted cell opens here and is not closed."
        else:
            problem = "Text follows a closing quote."
        fault = Fault(
            problem,
            'cells with quotes in them written as "He said ""yes"""',
            "Put the whole cell in quotes and double every quote inside it.",
        )
        self._add(fault, place, header=header)
        return not (endless or never_closed or header)


def _names_columns(first: list[str], rest: list[list[str]]) -> bool:
    """Whether a first row names columns instead of being an example itself."""
    names = [name.strip() for name in first]
    if choose_mapping(names):
        return True
    if len(set(names)) < len(names):
        return False
    for at, name in enumerate(names):
        if not name or len(name) > _LONGEST_NAME or name.replace(".", "").isdigit():
            return False
        if any(row[at].strip() == name for row in rest if len(row) == len(names)):
            return False
    return True


def _one_line(buffer: bytes) -> int:
    """The length of the first row and the empty lines before it; 0 if it has quotes."""
    start = len(buffer) - len(buffer.lstrip(b"\r\n"))
    end = buffer.find(b"\n", start) + 1
    line = buffer[start:end]
    return 0 if b'"' in line or b"\r" in line[:-2] else end


def _lines_of_rows(chunk: bytes, before: int) -> npt.NDArray[np.int64]:
    """The line on which each row begins; empty lines are no rows."""
    marks = np.frombuffer(chunk, np.uint8)
    breaks = np.flatnonzero(marks == _NEWLINE)
    ends = breaks
    if b'"' in chunk:
        quotes = np.flatnonzero(marks == _QUOTE)
        ends = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    starts = np.concatenate([[0], ends + 1])
    starts = starts[starts < len(marks)]
    starts = starts[(marks[starts] != _NEWLINE) & (marks[starts] != _RETURN)]
    lines: npt.NDArray[np.int64] = np.searchsorted(breaks, starts) + before + 1
    return lines
