"""Files that mean harm, or come from broken tools: each ends in a clear finding."""

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contributions.intake import Limits, Report, check, mask, read_probes, sample

LIMITS = Limits(max_bytes=64 * 2**20)
CSV, JSONL = b"text,label\n", b'{"prompt": "a", "completion": "b"}\n'
TEN = range(10)


def zipped(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def zstd(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as packed:
        packed.write(content)
    return bytes(out.getvalue().to_pybytes())


def bomb(n: int) -> bytes:
    """Small files that unpack to 80 MB, with ever other content and packing."""
    pack: Callable[[bytes], bytes] = (gzip.compress, zstd, lambda c: zipped(("data", c)))[n % 3]
    line = (CSV, JSONL, b"a line\n", b"\0", b"[" * 8, b" ", b"\n", b'"', b"x", b"PAR1")[n]
    return pack(line * (80_000_000 // len(line)))


def pickled(n: int) -> bytes:
    protocol = 2 + n % 4
    value: object = ([1], {"weights": b"x" * n}, Path("/"), "text", (n,), {n}, n, 1.5, True, [b""])[
        n
    ]
    return pickle.dumps(value, protocol=protocol)


def traversing(n: int) -> bytes:
    names = ("../rows", "../../etc/passwd", "/etc/passwd", "a/../../b", "..\\rows", "C:\\rows",
             "\\rows", "a\\..\\..\\b", "x/..", "//host/rows")  # fmt: skip
    return zipped((names[n], CSV + b"a,b\n"))


def not_utf8(n: int) -> bytes:
    bad = (b"\xff", b"\xfe", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf",
           b"\xe2\x82", b"\x80", b"\xf8\x88\x80\x80\x80", b"\xed\xbf\xbf")[n]  # fmt: skip
    return JSONL + b'{"prompt": "' + bad + b'", "completion": "b"}\n'


def with_nul(n: int) -> bytes:
    content = (CSV + b"a,b\n") if n % 2 else JSONL
    return content + b"x\x00" * (n + 1) + b",\n"


def long_line(n: int) -> bytes:
    start = (CSV, JSONL, CSV + b'"', JSONL + b'{"prompt": "', CSV + b"a,b\n", JSONL, CSV, JSONL,
             b'[{"prompt": "', b"A text.\n")[n]  # fmt: skip
    return start + b"x" * 10_000_000 + (b"\n" if n % 2 else b"")


def wide(n: int) -> bytes:
    names = [f"column {at}" for at in range(100_000)]
    if n % 2:
        return json.dumps(dict.fromkeys(names, "x")).encode() + b"\n"
    return (",;\t|,"[n // 2].join(names) + "\n").encode()


def nested(n: int) -> bytes:
    depth = 10 ** (3 + n % 3)
    opened, closed = ("[", "]") if n % 2 else ('{"a":', "}")
    inner = opened * depth + "1" + closed * depth * (n % 5 != 0)
    line = f'{{"prompt": {inner}, "completion": "b"}}'
    return (f"[{line}]" if n > 6 else line).encode() + b"\n"


def number(n: int) -> bytes:
    value = ("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5_000, "1.5", "-0.0",
             "1e400", "0." + "1" * 5_000)[n]  # fmt: skip
    line = f'{{"prompt": {value}, "completion": "b"}}'
    return (f"[{line}]" if n % 2 else line).encode() + b"\n"


def twice(n: int) -> bytes:
    key = ("prompt", "completion")[n % 2]
    line = f'{{"prompt": "a", "completion": "b", "{key}": "{n}"}}'
    return (f"[{line}]" if n > 5 else line * (n > 3) + line).encode() + b"\n"


def lying_parquet(n: int) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"prompt": ["a"] * 99, "completion": ["b"] * 99}), out)
    content = bytearray(out.getvalue())
    if n < 3:
        content[-8:-4] = struct.pack("<I", (0, 2**31, 2**32 - 1)[n])  # the length of the footer
    else:
        start = (4, 8, 16, 30, 60, len(content) // 2, 12)[n - 3]
        content[start : start + 24] = bytes(byte ^ 0xFF for byte in content[start : start + 24])
    return bytes(content)


def broken_archive(n: int) -> bytes:
    whole = (gzip.compress, zstd, lambda c: zipped(("data", c)))[n % 3](CSV + b"a,b\n" * 5_000)
    return whole[: len(whole) * (n + 1) // 12]


KINDS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "archive bomb": (bomb, "unpacks to more than|not text|is empty|not of objects|damaged"),
    "pickle": (pickled, "pickle"),
    "path traversal": (traversing, "outside itself"),
    "invalid UTF-8": (not_utf8, "not valid text in the encoding"),
    "NUL bytes": (with_nul, "NUL|control characters"),
    "10 MB line": (long_line, "longer than|endless|too long|not closed|characters"),
    "100,000 columns": (wide, "columns|longer than"),
    "nested JSON": (nested, "nested too deeply|an object|a list|not valid JSON|not usable JSON"),
    "number": (number, "NaN|Infinity|a number|digits"),
    "duplicate key": (twice, "occurs twice|not valid JSON"),
    "lying Parquet": (lying_parquet, "damaged|not valid text"),
    "broken archive": (broken_archive, "damaged"),
}


@pytest.mark.parametrize("n", TEN)
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_files_end_in_a_clear_finding(tmp_path: Path, kind: str, n: int) -> None:
    make, says = KINDS[kind]
    path = tmp_path / "model.safetensors"
    path.write_bytes(make(n))
    report = check(path, rows_out=tmp_path / "rows", filename=path.name, limits=LIMITS)
    assert not report.ok
    errors = [f for f in report.findings if f.severity == "error"]
    assert errors
    assert any(_said(says, error.problem) for error in errors), errors
    assert all(error.expected and error.remedy for error in errors)
    assert len(json.dumps(report.to_dict())) < 200_000
    assert list(tmp_path.iterdir()) == [path]
    sample(path, limits=LIMITS)


def _said(pattern: str, problem: str) -> bool:
    return any(part in problem for part in pattern.split("|"))


FORMULAS = ("=1+1", "=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(1)", '=HYPERLINK("http://x","y")',
            "=IMPORTXML(A1)", "\t=1", "%0A=1", '=DDE("x";"y";"z")')  # fmt: skip
MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</td></table>",
    "&lt;b&gt;",
    "{{ 7*7 }}",
    "{% debug %}",
    "javascript:alert(1)",
    "<!--",
    "]]>",
    "'><svg onload=a>",
)


@pytest.mark.parametrize("text", [*FORMULAS, *MARKUP])
def test_formulas_and_markup_are_text(tmp_path: Path, text: str) -> None:
    """They are told of as they are; whoever shows or exports them has to escape them."""
    for content in (
        "text,label," + '"' + text.replace('"', '""') + '"\n' + ",".join(
            ['"' + text.replace('"', '""') + '"'] * 3) + "\n",
        json.dumps({"text": text, "label": text, text: text}) + "\n",
    ):  # fmt: skip
        path = tmp_path / "brought"
        path.write_text(content)
        report = check(path, rows_out=tmp_path / "rows")
        assert report.ok, report.findings
        (row,) = map(json.loads, (tmp_path / "rows").read_text().splitlines())
        assert row == {"prompt": text.strip(), "completion": text.strip()}
        assert text in report.preview[0].values()


STARTS = (b"", CSV, JSONL, b"[" + JSONL, b"PAR1", gzip.compress(CSV), zstd(CSV),
          zipped(("a", CSV)), b"A text.\n\n")  # fmt: skip


def _looks(path: Path) -> Iterator[object]:
    yield sample(path, limits=LIMITS)
    yield read_probes(path)
    yield mask(path, out=path.with_name("masked"), limits=LIMITS)


@settings(deadline=None, max_examples=150)
@given(start=st.sampled_from(STARTS), content=st.binary(max_size=200), cut=st.integers(0, 60))
def test_any_bytes_give_a_report(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, content: bytes, cut: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "brought"
    path.write_bytes(start[: len(start) - cut] + content)
    report = check(path, rows_out=path.with_name("rows"), limits=LIMITS)
    assert report.ok == path.with_name("rows").exists()
    assert report.ok or report.needs_mapping or report.counts["errors"]
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert len(list(_looks(path))) == 3


@settings(deadline=None, max_examples=60)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), which=st.integers(0, 3))
def test_any_flipped_byte_gives_a_report(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, which: int
) -> None:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"prompt": ["a", "b"], "completion": ["c", "d"]}), out)
    whole = (out.getvalue(), zipped(("a", CSV + b"a,b\n")), gzip.compress(CSV), zstd(CSV))[which]
    content = bytearray(whole)
    content[at % len(content)] = byte
    path = tmp_path_factory.mktemp("flipped") / "brought"
    path.write_bytes(content)
    report = check(path, rows_out=None, limits=LIMITS)
    assert report.ok or report.needs_mapping or report.counts["errors"]
