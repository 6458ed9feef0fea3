"""What a member is told about a file, and what is left of it for training."""

import hashlib
import io
import json
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contributions.intake import Limits, Report, check

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "clinc150"


def bring(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "brought"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def pairs(path: Path) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [(row["prompt"], row["completion"]) for row in rows]


def test_text_and_label_become_prompt_and_completion(tmp_path: Path) -> None:
    content = 'text,intent\n"hello, you",greeting\nbye, farewell \n'
    path = bring(tmp_path, content)
    report = check(path, rows_out=tmp_path / "rows.jsonl")
    assert report.ok
    assert (report.format, report.shape, report.rows) == ("csv", "text_label", 2)
    assert report.columns == ["text", "intent"]
    assert report.labels == [("greeting", 1), ("farewell", 1)]
    assert report.lengths["prompt_chars_max"] == len("hello, you")
    assert report.sha256 == hashlib.sha256(content.encode()).hexdigest()
    assert report.size == len(content)
    assert pairs(tmp_path / "rows.jsonl") == [("hello, you", "greeting"), ("bye", "farewell")]
    assert report.preview[1] == {"text": "bye", "intent": "farewell "}
    assert report.preview_columns[0] == {"name": "text", "type": "text", "null_share": 0.0}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_dialects_of_tables(tmp_path: Path, delimiter: str, encoding: str, newline: str) -> None:
    lines = [("Question", "id", "Answer"), ("où est-ce, là?", "1", "ici"), ("qui; moi", "2", "toi")]
    content = "".join(delimiter.join(f'"{c}"' for c in line) + newline for line in lines)
    report = check(bring(tmp_path, content.encode(encoding)), rows_out=tmp_path / "rows")
    assert report.ok
    assert report.format == ("tsv" if delimiter == "\t" else "csv")
    assert report.shape == "prompt_completion"
    assert pairs(tmp_path / "rows") == [("où est-ce, là?", "ici"), ("qui; moi", "toi")]


@pytest.mark.parametrize(
    ("record", "prompt"),
    [
        ({"prompt": "a", "completion": "z"}, "a"),
        ({"question": "a", "answer": "z"}, "a"),
        ({"instruction": "a", "input": "b", "output": "z"}, "a\n\nb"),
        ({"instruction": "a", "input": "", "output": "z"}, "a"),
        ({"instruction": "a", "output": "z"}, "a"),
        ({"input": "a", "output": "z"}, "a"),
        ({"text": "a", "label": "z"}, "a"),
    ],
)
def test_names_of_json_keys(tmp_path: Path, record: dict[str, str], prompt: str) -> None:
    path = bring(tmp_path, json.dumps(record) + "\n\n")
    report = check(path, rows_out=tmp_path / "rows")
    assert report.ok
    assert report.format == "jsonl"
    assert pairs(tmp_path / "rows") == [(prompt, "z")]


def message(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


def test_the_last_answer_of_a_chat_is_the_completion(tmp_path: Path) -> None:
    single = [message("user", "hi"), message("assistant", "hello")]
    long = [message("system", "Be brief."), message("user", "a"), message("assistant", "b"),
            message("user", "c"), message("assistant", "d"), message("user", "e")]  # fmt: skip
    content = "\n".join(json.dumps({"messages": chat}) for chat in (single, long))
    report = check(bring(tmp_path, content), rows_out=tmp_path / "rows")
    assert (report.ok, report.shape) == (True, "chat")
    assert pairs(tmp_path / "rows") == [
        ("hi", "hello"),
        ("system: Be brief.\nuser: a\nassistant: b\nuser: c", "d"),
    ]


CSV = "text,label\nfirst,one\n"
JSONL = '{"prompt": "first", "completion": "one"}\n'


@pytest.mark.parametrize(
    ("content", "row", "line", "column", "says"),
    [
        (CSV + ",two\n", 2, 3, "text", "'text' is empty"),
        (CSV + "second,  \n", 2, 3, "label", "'label' is empty"),
        (CSV + "second\n", 2, 3, None, "1 cell."),
        (CSV + "second, and third,two\n", 2, 3, None, "3 cells"),
        (CSV + '"two\nlines",x\n\nbad\n', 3, 6, None, "1 cell."),
        (CSV + '"a "word" b",two\n', 2, 3, None, "closing quote"),
        (CSV + '"second,two\nthird,three\n', 2, 3, None, "not closed"),
        (CSV + '"second,two\n' + "third,three\n" * 20_000, 2, 3, None, "endless"),
        (CSV + "sec\x00ond,two\n", 2, 3, None, "NUL"),
        ((CSV + "café caf").encode() + b"\xe9,two\n", 2, 3, None, "encoding"),
        (CSV + "x" * 8_000 + ",two\n", 2, 3, None, "8,003 characters"),
        (CSV + "x" * 2**21 + ",two\n", 2, 3, None, "longer than"),
        (JSONL + '{"prompt": "a", "completion": }\n', 2, 2, None, "at character 31"),
        (JSONL + '["a", "b"]\n', 2, 2, None, "a list"),
        (JSONL + '{"prompt": "a"}\n', 2, 2, "completion", "missing"),
        (JSONL + '{"prompt": "a", "completion": 3.5}\n', 2, 2, "completion", "a number"),
        (JSONL + '{"prompt": "a", "prompt": "b", "completion": "c"}\n', 2, 2, None, "twice"),
        (JSONL + '{"prompt": NaN, "completion": "b"}\n', 2, 2, None, "NaN"),
        (JSONL + '{"prompt": null, "completion": "b"}\n', 2, 2, "prompt", "null"),
        (JSONL + '{"prompt": "a\\u0000", "completion": "b"}\n', 2, 2, "prompt", "NUL"),
        (JSONL + '{"prompt": "a\\ud800", "completion": "b"}\n', 2, 2, "prompt", "valid text"),
        (JSONL.encode() + b'{"prompt": "\xff", "completion": "b"}\n', 2, 2, None, "encoding"),
        (JSONL + '{"prompt": ' + "[" * 100_000 + "\n", 2, 2, None, "nested"),
        (JSONL + '{"prompt": ' + "9" * 5_000 + "}\n", 2, 2, None, "digits"),
        (JSONL + "x" * 2**21 + "\n", 2, 2, None, "longer than"),
        ('{"messages": "hi"}\n', 1, 1, "messages", "is text"),
        ('{"messages": [{"from": "human", "value": "hi"}]}', 1, 1, "messages", "Message 1"),
        ('{"messages": [{"role": "user", "content": "hi"}]}', 1, 1, "messages", "no answer"),
        ('{"messages": [{"role": "assistant", "content": "hi"}]}', 1, 1, "messages", "no answer"),
        ('{"messages": [{"role": "user", "content": ["hi"]}]}', 1, 1, "messages", "a list"),
    ],
)  # fmt: skip
def test_an_error_in_a_row_has_its_place(
    tmp_path: Path, content: str | bytes, row: int, line: int, column: str | None, says: str
) -> None:
    report = check(bring(tmp_path, content), rows_out=tmp_path / "rows")
    (error,) = [f for f in report.findings if f.severity == "error"]
    assert (error.row, error.line, error.column) == (row, line, column)
    assert says in error.problem
    assert error.expected
    assert error.remedy
    assert not report.ok
    assert not (tmp_path / "rows").exists()


def test_reading_goes_on_after_an_error(tmp_path: Path) -> None:
    rows = "".join(f"question {n},\nquestion {n},yes{n % 2}\n" for n in range(300))
    report = check(bring(tmp_path, "question,answer\n" + rows), rows_out=None)
    assert report.counts["errors"] == 300
    assert report.counts["rows_read"] == 600
    assert report.rows == 300
    assert [f.row for f in report.findings] == list(range(1, 200, 2))
    assert report.findings[1].where == "row 3 (line 4), column answer"


@pytest.mark.parametrize(
    ("content", "says", "remedy"),
    [
        (b"", "empty", "at least one row"),
        (b"\xef\xbb\xbf \n\n", "empty", "at least one row"),
        (b"text,label\n", "no rows", "Add rows"),
        (zipped({"xl/workbook.xml": b""}), "Excel", "CSV"),
        (zipped({"content.xml": b""}), "OpenDocument", "CSV"),
        (zipped({}), "holds 0 files", "by itself"),
        (b"PK\x03\x04....data.csv", "zip archive is damaged", "Pack the file again"),
        (b"\x1f\x8b\x08\x00", "gzip archive is damaged", "Pack the file again"),
        (b"BZh9", "bzip2", "Unpack"),
        (b"\x89PNG\r\n\x1a\n", "PNG", "CSV"),
        (b"%PDF-1.7\n", "PDF", "CSV"),
        (b"\x80\x04\x95\x10", "pickle", "CSV"),
        (b"PAR1\x15\x04", "Parquet file is damaged", "Export"),
        (b"\x40\x00\x00\x00\x00\x00\x00\x00{}", "safetensors", "expert"),
        (bytes(range(256)), "not text", "UTF-8"),
        ("text,label\na,b\n".encode("utf-16-le"), "not text", "byte-order mark"),
        (b"<!DOCTYPE html><p>", "web page", "Convert"),
        (b'["a", "b"]', "not of objects", "list of objects"),
        (b'{\n  "dev": []\n}', "one JSON object", "object a line"),
        (b"text,text,label\na,b,c\n", "2 columns named 'text'", "Rename"),
        (",".join(f"c{n}" for n in range(65)).encode(), "65 columns", "Keep the two"),
        (b'"text,label\na,b\n', "not closed", "quotes"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_clear_error(
    tmp_path: Path, content: bytes, says: str, remedy: str
) -> None:
    report = check(bring(tmp_path, content), rows_out=tmp_path / "rows")
    (error,) = [f for f in report.findings if f.severity == "error"]
    assert says in error.problem
    assert remedy in error.remedy
    assert error.row is None
    assert list(tmp_path.iterdir()) == [tmp_path / "brought"]


def test_limits_of_bytes_and_rows(tmp_path: Path) -> None:
    path = bring(tmp_path, "text,label\n" + "".join(f"t{n},l{n}\n" for n in range(11)))
    assert check(path, rows_out=None, limits=Limits(max_rows=11)).ok
    too_many = check(path, rows_out=None, limits=Limits(max_rows=10))
    assert [f.problem for f in too_many.findings] == ["The file has too many rows."]
    too_large = check(path, rows_out=None, limits=Limits(max_bytes=20))
    assert "too large" in too_large.findings[0].problem


def test_duplicates_are_left_out_and_conflicts_named(tmp_path: Path) -> None:
    content = "text,label\na,x\nb,y\na,x\na,y\n"
    report = check(bring(tmp_path, content), rows_out=tmp_path / "rows")
    assert report.ok
    assert (report.rows, report.counts["duplicates"], report.counts["conflicts"]) == (3, 1, 1)
    same, other = report.findings
    assert (same.severity, same.row, same.line) == ("warning", 3, 4)
    assert "same as row 1" in same.problem
    assert (other.row, "in row 1" in other.problem) == (4, True)
    assert pairs(tmp_path / "rows") == [("a", "x"), ("b", "y"), ("a", "y")]


def test_no_row_that_asks_what_a_probe_asks_is_kept(tmp_path: Path) -> None:
    content = "text,label\nWhat  is THIS,x\nwhat was that,y\nwhat is this,z\n"
    probes = [("what is this", "x")]
    path = bring(tmp_path, content)
    report = check(path, rows_out=tmp_path / "rows", known_probes=probes)
    assert report.ok
    assert (report.rows, report.counts["probe_rows"]) == (1, 2)
    assert report.findings[0].problem.startswith("2 rows of this file")
    assert pairs(tmp_path / "rows") == [("what was that", "y")]
    nothing_left = check(path, rows_out=None, known_probes=[*probes, ("what was that", "y")])
    assert nothing_left.findings[0].problem == "No row is left to train on."


def test_a_probe_is_recognised_in_a_chat(tmp_path: Path) -> None:
    chat = [message("system", "Be brief."), message("user", "hi"), message("assistant", "hello")]
    path = bring(tmp_path, json.dumps({"messages": chat}))
    assert check(path, rows_out=None, known_probes=[("Hi", "hello")]).counts["probe_rows"] == 1


def test_one_label_and_foreign_names_are_mentioned(tmp_path: Path) -> None:
    path = bring(tmp_path, "id,text,label\n1,a,x\n2,b,x\n")
    report = check(path, rows_out=None, filename="data.xlsx")
    assert report.ok
    assert [(f.severity, f.where) for f in report.findings] == [
        ("warning", "the file"), ("note", "the file"), ("note", "the file")]  # fmt: skip
    assert "'x'" in report.findings[0].problem
    assert "id" in report.findings[1].problem
    assert ".xlsx" in report.findings[2].problem


def test_free_text_has_no_label_table(tmp_path: Path) -> None:
    rows = "".join(f"t{n},l{n}\n" for n in range(5))
    path = bring(tmp_path, "text,label\n" + rows)
    report = check(path, rows_out=None, limits=Limits(max_labels=3))
    assert report.labels == []
    assert "more than 3 different labels" in report.findings[0].problem


def test_an_older_result_is_replaced_only_by_a_good_one(tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_text("older")
    check(bring(tmp_path, "text,label\na,\n"), rows_out=rows)
    assert rows.read_text() == "older"
    check(bring(tmp_path, "text,label\na,b\n"), rows_out=rows)
    assert pairs(rows) == [("a", "b")]


def test_progress_reaches_the_size_and_never_goes_back(tmp_path: Path) -> None:
    rows = "".join(f"text {n} {'x' * 1_000},label\n" for n in range(8_000))
    path = bring(tmp_path, "text,label\n" + rows)
    calls: list[tuple[int, int]] = []
    check(path, rows_out=None, on_progress=lambda done, size: calls.append((done, size)))
    size = path.stat().st_size
    assert len(calls) > 3
    assert calls == sorted(calls)
    assert calls[-1] == (size, size)


def test_memory_does_not_grow_with_the_length_of_rows(tmp_path: Path) -> None:
    rows = "".join(f"{n} {'x' * 4_000},{n % 7}\n" for n in range(20_000))
    path = bring(tmp_path, "text,label\n" + rows)
    del rows
    (tmp_path / "warm").mkdir()
    check(bring(tmp_path / "warm", "text,label\na,b\n"), rows_out=None)  # loads what is compiled
    tracemalloc.start()
    report = check(path, rows_out=tmp_path / "rows")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert report.rows == 20_000
    assert peak < path.stat().st_size / 3


def test_a_report_survives_json(tmp_path: Path) -> None:
    report = check(bring(tmp_path, "text,label\na,x\na,x\nb,\n"), rows_out=None)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


@settings(deadline=None)  # the first call compiles
@given(st.binary(max_size=300))
def test_no_content_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    tmp_path = tmp_path_factory.mktemp("any")
    for start in (b"", b"text,label\n", b'{"prompt": "a", "completion": "b"}\n'):
        report = check(bring(tmp_path, start + content), rows_out=tmp_path / "rows")
        assert report.ok == (tmp_path / "rows").exists()
        (tmp_path / "rows").unlink(missing_ok=True)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the CLINC150 files are not beside the repository")
def test_every_file_of_clinc150_is_read(tmp_path: Path) -> None:
    files = sorted(path for path in SHARED.iterdir() if path.suffix in {".csv", ".jsonl"})
    sizes = {"train": 1_500, "val": 300, "test": 450, "oos_val": 100, "oos_test": 1_000}
    assert len(files) == 32
    for path in files:
        report = check(path, rows_out=tmp_path / "rows", filename=path.name)
        part = path.stem if path.stem.startswith("oos") else path.stem.partition(".")[2]
        assert report.ok, path.name
        assert report.rows == sizes[part] == len(pairs(tmp_path / "rows"))
        assert len(report.labels) == (1 if path.stem.startswith("oos") else 15)
