"""From what was brought to one plain file: unpacked, and its text in UTF-8."""

import errno
import gzip
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import NamedTemporaryFile
from typing import IO, BinaryIO

import pyarrow as pa

from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.recognise import HEAD_BYTES, Recognised, Refused, recognise
from contributions.intake.report import Compression
from contributions.intake.zips import BROKEN_ZIP

_BLOCK = 1024 * 1024
_FREE_OF_RATIO = 16 * 1024 * 1024  # a small file may repeat itself as it likes
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"))  # fmt: skip
_OFFICE = (("xl/", "an Excel workbook", "Export the sheet as CSV (UTF-8) and bring that file."),
           ("word/", "a Word document", "Bring the text itself: CSV, JSONL or plain text."),
           ("content.xml", "an OpenDocument file",
            "Export the sheet as CSV (UTF-8) and bring that file."))  # fmt: skip
_BROKEN = (*BROKEN_ZIP, lzma.LZMAError, gzip.BadGzipFile, pa.ArrowException)


@dataclass(frozen=True)
class Plain:
    """A file that can be read as it is. `before` bytes of it are a byte-order mark."""

    path: Path
    size: int
    compression: Compression
    recognised: Recognised
    before: int = 0


class _Unusable(Exception):
    """What is said of an archive that is not read."""

    def __init__(self, problem: str, expected: str, remedy: str) -> None:
        self.problem, self.expected, self.remedy = problem, expected, remedy


@contextmanager
def unpacked(
    path: Path, findings: Findings, limits: Limits, most: int | None = None
) -> Iterator[Plain | None]:
    """The plain file in `path`; None, with a finding that says why, if there is none.

    Only the first `most` bytes are unpacked, if it is given; of a Parquet file always all.
    """
    with NamedTemporaryFile() as unpacked_file, NamedTemporaryFile() as text_file:
        plain = None
        try:
            plain = _plain(path, unpacked_file, text_file, limits, most, findings)
        except _Unusable as unusable:
            findings.add(
                "error", unusable.problem, expected=unusable.expected, remedy=unusable.remedy
            )
        yield plain


def _plain(
    path: Path,
    unpacked_file: IO[bytes],
    text_file: IO[bytes],
    limits: Limits,
    most: int | None,
    findings: Findings,
) -> Plain:
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise _too_large(size, limits)
    with path.open("rb") as stream:
        magic = stream.read(4)
    compression: Compression = next((name for start, name in _MAGIC if magic.startswith(start)), "")
    if compression:
        _unpack(path, compression, unpacked_file, size, limits, most)
        path = Path(unpacked_file.name)
        size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    recognised = recognise(head)
    if isinstance(recognised, Refused):
        raise _Unusable(
            recognised.problem,
            "a CSV, TSV, JSON, JSON Lines, Parquet or text file in UTF-8",
            recognised.remedy,
        )
    before = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    if recognised.encoding != "utf-8-sig":
        _to_utf8(path, recognised.encoding, text_file)
        path, before = Path(text_file.name), 0
        size = path.stat().st_size
        if recognised.encoding != "utf-16":
            findings.add(
                "warning",
                f"The file is not UTF-8; it was read as {recognised.encoding}.",
                expected="UTF-8",
                remedy="Look at the accents in the preview; if they are wrong, save it as UTF-8.",
            )
    return Plain(path, size, compression, recognised, before)


def _too_large(size: int, limits: Limits) -> _Unusable:
    return _Unusable(
        f"The file is too large: {size / 2**20:,.0f} MiB.",
        f"at most {limits.max_bytes / 2**20:,.0f} MiB",
        "Cut it into several files.",
    )


def _unpack(
    path: Path,
    compression: Compression,
    out: IO[bytes],
    packed: int,
    limits: Limits,
    most: int | None,
) -> None:
    """Unpack block by block, and stop where it grows beyond all measure."""
    try:
        with path.open("rb") as raw, _stream(raw, compression) as stream:
            done = 0
            while block := stream.read(_BLOCK):
                if not done and block.startswith(b"PAR1"):
                    most = None
                done += len(block)
                if done > limits.max_bytes:
                    raise _Unusable(
                        f"The archive unpacks to more than {limits.max_bytes / 2**20:,.0f} MiB.",
                        f"at most {limits.max_bytes / 2**20:,.0f} MiB",
                        "Cut it into several files.",
                    )
                if done > max(_FREE_OF_RATIO, limits.max_ratio * packed):
                    raise _Unusable(
                        f"The archive unpacks to more than {limits.max_ratio} times its size.",
                        "examples, which never repeat themselves that much",
                        "Bring the file unpacked if it is meant like this.",
                    )
                out.write(block)
                if most is not None and done >= most:
                    break
    except (*_BROKEN, OSError) as error:
        # A zip may send the reader to places that do not exist; anything else is the machine's.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise _Unusable(
            f"The {compression} archive is damaged or cannot be read: {str(error)[:100]}.",
            "a whole archive without a password, packed in the usual way",
            "Pack the file again, or bring it unpacked.",
        ) from error
    out.flush()


@contextmanager
def _stream(
    raw: BinaryIO, compression: Compression
) -> Iterator[gzip.GzipFile | pa.CompressedInputStream | IO[bytes]]:
    if compression == "gzip":
        with gzip.GzipFile(fileobj=raw) as stream:
            yield stream
    elif compression == "zstd":
        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
            yield stream
    else:
        with zipfile.ZipFile(raw) as archive, archive.open(_only_member(archive)) as stream:
            yield stream


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The one file in a zip. Its name is looked at and never used."""
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/")
    ]
    for mark, looks_like, remedy in _OFFICE:
        if any(member.filename.startswith(mark) for member in members):
            raise _Unusable(f"The file looks like {looks_like}.", "a file of examples", remedy)
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
            raise _Unusable(
                f"The zip archive names a file outside itself, {member.filename[:80]!r}.",
                "one file with an ordinary name",
                "Pack the file again, or bring it unpacked.",
            )
    if len(members) != 1:
        raise _Unusable(
            f"The zip archive holds {len(members):,} files.",
            "exactly one file",
            "Bring each of them by itself.",
        )
    return members[0]


def _to_utf8(path: Path, encoding: str, out: IO[bytes]) -> None:
    """What cannot be decoded becomes a byte that is no UTF-8, so that its row is reported."""
    with path.open(encoding=encoding, errors="replace", newline="") as text:
        while block := text.read(_BLOCK):
            out.write(block.replace("\ufffd", "\udcff").encode("utf-8", "surrogateescape"))
    out.flush()
