"""The first rows of a file as they came, for people to look at."""

import json
from collections.abc import Sequence
from typing import Any

from contributions.intake.limits import Limits
from contributions.intake.readers.reader import Reader
from contributions.intake.shapes import Record

_CELL_CHARS = 500
_TYPES = {str: "text", bool: "true or false", int: "whole number", float: "number", list: "list",
          dict: "object"}  # fmt: skip


def preview(
    reader: Reader, limits: Limits
) -> tuple[list[dict[str, Any]], list[dict[str, str | None]]]:
    """The columns, as {"name", "type", "null_share"} of the first rows, and these rows as text."""
    names = list(dict.fromkeys(reader.names[: limits.max_columns]))
    columns = [_column(name, reader.head) for name in names] if reader.head else []
    rows = [{name: as_text(record.get(name)) for name in names} for record in reader.head]
    return columns, rows


def as_text(value: object) -> str | None:
    """A cell for the eye: cut where it is long, JSON where it has parts."""
    if value is None:
        return None
    try:
        text = (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        )
    except RecursionError:
        return "nested too deeply to be shown"
    # What cannot be stored as text in a database is shown as the mark for it.
    text = text[: _CELL_CHARS + 1].encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return text if len(text) <= _CELL_CHARS else text[:_CELL_CHARS] + "…"


def _column(name: str, records: Sequence[Record]) -> dict[str, Any]:
    values = [record.get(name) for record in records]
    present = [value for value in values if value not in (None, "")]
    types = {_TYPES.get(type(value), type(value).__name__) for value in present}
    return {
        "name": name,
        "type": types.pop() if len(types) == 1 else "mixed" if types else "empty",
        "null_share": round(1 - len(present) / len(values), 3),
    }
