"""From a path to its rows: recognise the file, choose the reader, know what its columns are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.mapping import ColumnMapping, choose_mapping
from contributions.intake.readers.json_array import JsonArray
from contributions.intake.readers.json_lines import JsonLines
from contributions.intake.readers.parquet import Parquet
from contributions.intake.readers.reader import Reader
from contributions.intake.readers.table import Table
from contributions.intake.readers.text import PlainText
from contributions.intake.recognise import Kind
from contributions.intake.report import Compression, Shape
from contributions.intake.unpack import unpacked

_READERS: dict[Kind, type[Reader]] = {
    "table": Table, "jsonl": JsonLines, "json": JsonArray, "parquet": Parquet, "text": PlainText,
}  # fmt: skip


class OpenFile:
    """A reader, what the file was packed with, and the size of what is read.

    `unclear` says why somebody must give a mapping before rows can be read, if that is so.
    """

    def __init__(self, reader: Reader, compression: Compression, size: int) -> None:
        self.reader = reader
        self.compression = compression
        self.size = size
        self.unclear = ""

    @property
    def shape(self) -> Shape:
        return self.reader.mapping.shape if self.reader.mapping else "unknown"


@contextmanager
def open_rows(
    path: Path,
    findings: Findings,
    limits: Limits,
    mapping: Mapping[str, Any] | None = None,
    most: int | None = None,
) -> Iterator[OpenFile | None]:
    """Open a file for reading its rows; None, with a finding that says why, if that cannot be.

    `mapping` says what the columns are; without one they are recognised by their names, and if
    that does not do, the file is `unclear`. See `unpacked` for `most`.
    """
    with unpacked(path, findings, limits, most) as plain:
        if plain is None:
            yield None
            return
        reader = _READERS[plain.recognised.kind](plain, findings, limits)
        file = OpenFile(reader, plain.compression, plain.size)
        _map_columns(file, findings, limits, mapping)
        yield file


def _map_columns(
    file: OpenFile, findings: Findings, limits: Limits, given: Mapping[str, Any] | None
) -> None:
    reader = file.reader
    if len(reader.names) > limits.max_columns:
        findings.add(
            "error",
            f"The file has {len(reader.names):,} columns.",
            expected=f"at most {limits.max_columns} columns",
            remedy="Keep the two columns that matter: the prompt and the answer.",
        )
        return
    mapping = reader.suggestion or choose_mapping(reader.names)
    if given is not None:
        mapping = _given(file, given)
    elif mapping is None and reader.names:
        file.unclear = f"What the columns are is not obvious. The file has {_listed(reader.names)}."
    for name in mapping.used if mapping else ():
        if reader.names.count(name) > 1:
            findings.add(
                "error",
                f"There are {reader.names.count(name)} columns named {name!r}.",
                expected="each column name once",
                remedy="Rename or delete the others.",
                column=name,
            )
            return
    reader.mapping = mapping


def _given(file: OpenFile, given: Mapping[str, Any]) -> ColumnMapping | None:
    """The mapping that somebody gave, if it fits the file."""
    names = file.reader.names
    if not names:
        return None
    try:
        mapping = ColumnMapping.from_dict(given)
        missing = [name for name in mapping.used if name not in names]
        if not missing:
            return mapping
        file.unclear = f"The file has no column {missing[0]!r}. It has {_listed(names)}."
    except ValueError as error:
        file.unclear = str(error)
    return None


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)
