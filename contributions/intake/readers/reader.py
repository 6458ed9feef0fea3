"""What all readers have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

import numpy as np

from contributions.intake.batch import Batch
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.mapping import ColumnMapping
from contributions.intake.report import Format
from contributions.intake.row import Place, Row
from contributions.intake.shapes import Record, Shaper
from contributions.intake.unpack import Plain

CHUNK = 1024 * 1024
HEAD_ROWS = 100
_ROWS = 5_000


class Reader(ABC):
    """Reads one file from its start to its end.

    `head` has the first rows as they are in the file, `names` the columns. `mapping` has to be
    set before `batches` is called, unless the file is so broken that nothing can be mapped.
    Rows that cannot be used are left out of the batches, with findings.
    """

    format: Format
    suggestion: ColumnMapping | None = None

    def __init__(self, plain: Plain, findings: Findings, limits: Limits) -> None:
        self._path = plain.path
        self._plain = plain
        self._findings = findings
        self._limits = limits
        self.names: list[str] = []
        self.head: Sequence[Record] = []
        self.mapping: ColumnMapping | None = None
        self.rows_read = 0
        self.bytes_done = 0

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """All usable rows, some thousand at a time."""

    def _shaped(self, records: Iterable[tuple[Record, Place]]) -> Iterator[Row]:
        if self.mapping is None:
            for _ in records:  # for their findings
                pass
            return
        shaper = Shaper(self.mapping, self._findings, self._limits)
        for record, place in records:
            if row := shaper.row(record, place):
                yield row


def in_batches(rows: Iterator[Row]) -> Iterator[Batch]:
    while some := list(islice(rows, _ROWS)):
        yield Batch.of_rows(some)


def chunks_of_lines(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Whole lines, some MiB at a time, and how many lines there were before them.

    Of a line longer than a chunk only the beginning is given.
    """
    carry, before = b"", 0
    while block := stream.read(CHUNK):
        buffer = carry + block
        end = buffer.rfind(b"\n") + 1
        if end:
            yield buffer[:end], before
            before += line_breaks(buffer[:end])
            carry = buffer[end:]
        elif len(buffer) >= CHUNK:
            yield buffer, before
            before += 1
            carry = _after_next_line_break(stream)
        else:
            carry = buffer
    if carry:
        yield carry, before


def line_breaks(chunk: bytes) -> int:
    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == b"\n"[0]))


def _after_next_line_break(stream: BinaryIO) -> bytes:
    while block := stream.read(CHUNK):
        at = block.find(b"\n")
        if at >= 0:
            return block[at + 1 :]
    return b""
