"""Rows from CSV and TSV files."""

import csv
from collections.abc import Iterator

from contributions.intake.columns import EXPECTED, Columns, choose_columns
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.lines import Fault, Lines
from contributions.intake.report import Shape
from contributions.intake.row import Place, Row, short_enough, usable_text

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_ROWS = 20


def detect_delimiter(head: str) -> str:
    """The delimiter that gives known columns, equally many cells a row, and the most columns."""

    def merit(delimiter: str) -> tuple[bool, float, int]:
        # The last line of the head may be cut off in the middle.
        lines = head.splitlines(keepends=True)[: _SAMPLE_ROWS + 1]
        sample = lines[:-1] if len(lines) > 2 else lines
        try:
            rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return (False, 0.0, 0)
        width = len(rows[0]) if rows else 0
        if width < 2:
            return (False, 0.0, 0)
        even = sum(len(row) == width for row in rows) / len(rows)
        return (choose_columns(rows[0]) is not None, even, width)

    return max(DELIMITERS, key=merit)


class Table:
    """A CSV file whose header is read at once and whose rows are read one by one."""

    def __init__(self, lines: Lines, delimiter: str, findings: Findings, limits: Limits) -> None:
        self._lines = lines
        self._findings = findings
        self._limits = limits
        self._faults: list[Fault] = []  # of the lines that the current row was read from
        # strict: a quote that is never closed is an error instead of one endless cell.
        self._reader = csv.reader(
            self._feed(), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        self.rows_read = 0
        header = self._next_cells(header=True)
        self.names = [name.strip() for name in header[1]] if header else []
        self.chosen = self._choose() if header else None

    @property
    def shape(self) -> Shape:
        return self.chosen.shape if self.chosen else "unknown"

    def __iter__(self) -> Iterator[Row]:
        if self.chosen is None:
            return
        while found := self._next_cells():
            place, cells = found
            row = self._row(place, cells, self.chosen)
            if row:
                yield row

    def _feed(self) -> Iterator[str]:
        for line in self._lines:
            if line.fault:
                self._faults.append(line.fault)
            yield line.text

    def _next_cells(self, *, header: bool = False) -> tuple[Place, list[str]] | None:
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

    def _choose(self) -> Columns | None:
        found = ", ".join(repr(name) for name in self.names[: self._limits.max_columns])
        if len(self.names) > self._limits.max_columns:
            self._findings.add(
                "error",
                f"The file has {len(self.names)} columns.",
                expected=f"at most {self._limits.max_columns} columns",
                remedy="Keep the two columns that matter: the prompt and the answer.",
            )
            return None
        chosen = choose_columns(self.names)
        if chosen is None:
            self._findings.add(
                "error",
                f"The prompt and the answer were not found. The file has the columns {found}.",
                expected=EXPECTED,
                remedy="Name the two columns in the first line of the file, such as 'text,label'.",
            )
            return None
        for name in chosen.used:
            if self.names.count(name) > 1:
                self._findings.add(
                    "error",
                    f"There are {self.names.count(name)} columns named {name!r}.",
                    expected="each column name once",
                    remedy="Rename or delete the others.",
                    column=name,
                )
                return None
        return chosen

    def _row(self, place: Place, cells: list[str], chosen: Columns) -> Row | None:
        if len(cells) != len(self.names):
            self._findings.add(
                "error",
                f"The row has {len(cells)} cell{'s' if len(cells) != 1 else ''}.",
                expected=f"{len(self.names)} cells, as in the first line",
                remedy="Put cells that contain the delimiter or a line break in quotes.",
                row=place.row,
                line=place.line,
            )
            return None
        values = dict(zip(self.names, (cell.strip() for cell in cells), strict=True))
        usable = [
            usable_text(
                values[name], name, place, self._findings, optional=name in chosen.prompt[1:]
            )
            for name in chosen.used
        ]
        prompt = "\n\n".join(values[name] for name in chosen.prompt if values[name])
        completion = values[chosen.completion]
        if not all(usable) or not short_enough(
            prompt, completion, place, self._findings, self._limits
        ):
            return None
        return Row(place.row, place.line, prompt, completion, question=prompt)
