"""What a file is, by its first bytes; its name is never trusted."""

import codecs
import re
from dataclasses import dataclass
from typing import Literal

HEAD_BYTES = 64 * 1024

Encoding = Literal["utf-8-sig", "utf-16"]


@dataclass(frozen=True)
class Recognised:
    """A text file: its kind, its encoding and its first lines, for the choice of a delimiter."""

    kind: Literal["table", "jsonl"]
    encoding: Encoding
    head: str


@dataclass(frozen=True)
class Refused:
    """A file that cannot be read as rows: what it looks like, and what to bring instead."""

    problem: str
    remedy: str


_UNPACK = "Unpack it and bring the CSV or JSONL file inside."
_EXPORT = "Export the sheet as CSV (UTF-8) and bring that file."
_TEXT = "Bring the text itself as CSV or JSONL."
_CONVERT = "Convert it to CSV or JSONL and bring that file."
_OFFICE = ((b"xl/", "an Excel workbook", _EXPORT), (b"word/", "a Word document", _TEXT),
           (b"opendocument.spreadsheet", "an OpenDocument spreadsheet", _EXPORT))  # fmt: skip
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive", _UNPACK),
    (b"PK\x05\x06", "an empty zip archive", _UNPACK),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ\x00", "an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstandard archive", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.xls or .doc)", _EXPORT),
    (b"\x89PNG\r\n", "a PNG image", _TEXT),
    (b"\xff\xd8\xff", "a JPEG image", _TEXT),
    (b"GIF8", "a GIF image", _TEXT),
    (b"%PDF-", "a PDF document", _TEXT),
    (b"{\\rtf", "a rich-text document", _TEXT),
    (b"PAR1", "a Parquet file", _CONVERT),
    (b"ARROW1", "an Arrow file", _CONVERT),
    (b"SQLite format 3\x00", "an SQLite database", _CONVERT),
    (b"\x93NUMPY", "a NumPy array", _CONVERT),
    (b"\x7fELF", "a program", _TEXT),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_SAFETENSORS = re.compile(rb".{3}\x00{5}\{", re.DOTALL)  # a 64-bit length, then a JSON header
_MARKUP = re.compile(r"<(!doctype|html|\?xml)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


def recognise(head: bytes) -> Recognised | Refused:
    """Recognise a file by its first `HEAD_BYTES` bytes."""
    if refused := _binary(head):
        return refused
    encoding: Encoding = "utf-8-sig"
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
    if start.startswith("[") or re.match(r"\{\s*[\r\n]", start):
        return Refused(
            "The file is one JSON document, not one JSON object a line.",
            "Write each example as an object on a line of its own (JSON Lines): "
            "`jq -c '.[]' file.json > file.jsonl` does it for a list.",
        )
    return Recognised("jsonl" if start.startswith("{") else "table", encoding, text)


def _binary(head: bytes) -> Refused | None:
    for signature, looks_like, remedy in _SIGNATURES:
        if head.startswith(signature):
            for mark, office, office_remedy in _OFFICE:
                if signature == b"PK\x03\x04" and mark in head:
                    looks_like, remedy = office, office_remedy
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
