"""Rows from plain text: paragraphs if there are blank lines between some, else lines."""

import re
from collections.abc import Iterator

from contributions.intake.batch import Batch
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.lines import Line, Lines
from contributions.intake.mapping import ColumnMapping
from contributions.intake.readers.reader import HEAD_ROWS, Reader, in_batches
from contributions.intake.row import Place
from contributions.intake.shapes import Record
from contributions.intake.unpack import Plain


class PlainText(Reader):
    """One column, `text`, without a prompt: the model learns to write on."""

    format = "text"
    suggestion = ColumnMapping("plain_text", (), "text")

    def __init__(self, plain: Plain, findings: Findings, limits: Limits) -> None:
        super().__init__(plain, findings, limits)
        self.names = ["text"]
        self._by_paragraph = _has_blank_line(plain.recognised.head)
        parts = (re.split(r"\n[ \t\r]*\n", plain.recognised.head) if self._by_paragraph
                 else plain.recognised.head.splitlines())  # fmt: skip
        self.head = [{"text": part.strip()} for part in parts if part.strip()][:HEAD_ROWS]

    def batches(self) -> Iterator[Batch]:
        yield from in_batches(self._shaped(self._records()))

    def _records(self) -> Iterator[tuple[Record, Place]]:
        with self._path.open("rb") as stream:
            stream.seek(self._plain.before)
            paragraph: list[Line] = []
            length = 0
            for line in Lines(stream, self._limits.max_line_chars):
                self.bytes_done = stream.tell()
                blank = not line.text.strip() and not line.fault
                # A paragraph without an end is too long before it fills the memory.
                if paragraph and (
                    blank or not self._by_paragraph or length > self._limits.max_line_chars
                ):
                    yield from self._record(paragraph)
                    paragraph, length = [], 0
                if not blank:
                    paragraph.append(line)
                    length += len(line.text)
            if paragraph:
                yield from self._record(paragraph)

    def _record(self, lines: list[Line]) -> Iterator[tuple[Record, Place]]:
        self.rows_read += 1
        place = Place(self.rows_read, lines[0].number)
        fault = next((line.fault for line in lines if line.fault), None)
        if fault is None:
            yield {"text": "".join(line.text for line in lines)}, place
            return
        self._findings.add(
            "error",
            fault.problem,
            expected=fault.expected,
            remedy=fault.remedy,
            row=place.row,
            line=place.line,
        )


def _has_blank_line(text: str) -> bool:
    return any(not line.strip() for line in text.strip().splitlines())
