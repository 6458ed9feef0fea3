"""What a file is, by its first bytes; its name is never trusted."""

import codecs
import csv
import re
from dataclasses import dataclass
from typing import Literal

from charset_normalizer import from_bytes

from contributions.intake.mapping import choose_mapping

HEAD_BYTES = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")

Kind = Literal["table", "jsonl", "json", "parquet", "text"]

_SAMPLE_ROWS = 20
_WIDE = 10
# What spreadsheets and older programs write where they do not write UTF-8.
_OLDER = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1256", "koi8_r", "shift_jis",
          "gb18030", "big5", "euc_kr"]  # fmt: skip


@dataclass(frozen=True)
class Recognised:
    """What a file is; for text its encoding and its first characters."""

    kind: Kind
    encoding: str = "utf-8-sig"
    head: str = ""
    delimiter: str = ","


@dataclass(frozen=True)
class Refused:
    """A file that cannot be read as rows: what it looks like, and what to bring instead."""

    problem: str
    remedy: str


_UNPACK = "Unpack it and bring the file inside, plain or as gzip, zstandard or zip."
_EXPORT = "Export the sheet as CSV (UTF-8) and bring that file."
_TEXT = "Bring the text itself: CSV, JSONL or plain text."
_CONVERT = "Convert it to CSV, JSONL or Parquet and bring that file."
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive inside another", _UNPACK),
    (b"\x1f\x8b", "a gzip archive inside another", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive inside another", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls or .doc)", _EXPORT),
    (b"\x89PNG\r\n", "a PNG image", _TEXT),
    (b"\xff\xd8\xff", "a JPEG image", _TEXT),
    (b"GIF8", "a GIF image", _TEXT),
    (b"%PDF-", "a PDF document", _TEXT),
    (b"{\\rtf", "a rich-text document", _TEXT),
    (b"ARROW1", "an Arrow file", _CONVERT),
    (b"SQLite format 3\x00", "an SQLite database", _CONVERT),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"\x7fELF", "a program", _TEXT),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS = re.compile(rb".{3}\x00{5}\{", re.DOTALL)  # a 64-bit length, then a JSON header
_MARKUP = re.compile(r"<(!doctype|html|\?xml)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_BEYOND_ASCII = re.compile("[^\x00-\x7f\ufffd]")


def recognise(head: bytes) -> Recognised | Refused:
    """Recognise a file by its first `HEAD_BYTES` bytes, unpacked."""
    if head.startswith(b"PAR1"):
        return Recognised("parquet")
    if refused := _binary(head):
        return refused
    encoding = "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(_CONTROL.findall(head)) > len(head) // 10:
        return Refused(
            "The file is not text: a tenth of its first bytes or more are control characters.",
            "Bring a CSV or JSONL file in UTF-8. (Text saved as UTF-16 needs its byte-order mark.)",
        )
    text = head.decode(encoding, errors="replace")
    start = text.lstrip()
    if not start:
        return Refused("The file is empty.", "Bring a file with at least one row.")
    if _MARKUP.match(start):
        return Refused("The file is a web page or XML, not a table.", _CONVERT)
    if re.match(r"\{\s*[\r\n]", start):
        return Refused(
            "The file is one JSON object, not one object a row.",
            "Write the examples as a list, [{...}, {...}], or an object a line (JSON Lines).",
        )
    if start.startswith("{"):  # JSON is UTF-8 (RFC 8259, section 8.1), so no older encoding
        return Recognised("jsonl", encoding, text)
    if re.match(r"\[\s*([{\]]|$)", start):
        return Recognised("json", encoding, text)
    if start.startswith("["):
        return Refused(
            "The file is a JSON list, but not of objects.",
            'Write the examples as a list of objects, [{"prompt": ..., "completion": ...}].',
        )
    broken = text.count("\ufffd")
    # A file in UTF-8 that is damaged here and there has more good characters than bad ones.
    if encoding == "utf-8-sig" and broken > len(_BEYOND_ASCII.findall(text)):
        guess = from_bytes(head, cp_isolation=_OLDER, threshold=0.5).best()
        if guess:
            encoding, text = guess.encoding, head.decode(guess.encoding, errors="replace")
    delimiter, is_table = _detect_delimiter(text)
    return Recognised("table" if is_table else "text", encoding, text, delimiter)


def _binary(head: bytes) -> Refused | None:
    for signature, looks_like, remedy in _SIGNATURES:
        if head.startswith(signature):
            return Refused(f"The file looks like {looks_like}, not like text.", remedy)
    if _PICKLE.match(head):
        return Refused(
            "The file looks like a Python pickle, which is never opened: it can run code.", _CONVERT
        )
    if _SAFETENSORS.match(head):
        return Refused(
            "The file looks like safetensors: weights, not examples.",
            "Bring it as an expert, not as a dataset.",
        )
    return None


def _detect_delimiter(head: str) -> tuple[str, bool]:
    """The delimiter that gives known columns, equally many cells a row, and the most columns;
    and whether it makes a table of the text at all."""

    def merit(delimiter: str) -> tuple[bool, float, int, int]:
        # The last line of the head may be cut off in the middle.
        lines = head.splitlines(keepends=True)[: _SAMPLE_ROWS + 1]
        sample = lines[:-1] if len(lines) > 2 else lines
        try:
            rows = [row for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return (False, 0.0, 0, 0)
        width = len(rows[0]) if rows else 0
        known = bool(rows) and choose_mapping(rows[0]) is not None
        if width < 2:
            return (known, 0.0, width, len(rows))
        return (known, sum(len(row) == width for row in rows) / len(rows), width, len(rows))

    best = max(DELIMITERS, key=merit)
    known, even, width, rows = merit(best)
    regular = even >= 0.8 and (rows > 1 or width >= _WIDE)
    return best, known or regular or head.lstrip("\ufeff \r\n").startswith('"')
