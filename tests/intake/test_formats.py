"""Every format, packed in every way, and every shape gives the same rows."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contributions.intake import check, read_probes, sample

Pairs = list[tuple[str, str]]

PAIRS = [(f'What is "{n}", exactly?\nIn Köln: café {n}', f"answer, {n}") for n in range(300)]


def as_csv(rows: Pairs, delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([("prompt", "completion"), *rows])
    return text.getvalue().encode()


def objects(rows: Pairs) -> list[dict[str, str]]:
    return [{"prompt": prompt, "completion": completion} for prompt, completion in rows]


def as_jsonl(rows: Pairs) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in objects(rows)).encode()


def as_parquet(rows: Pairs) -> bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(pa.Table.from_pylist(objects(rows)), out)
    return out.getvalue()


def as_zstd(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as packed:
        packed.write(content)
    return bytes(out.getvalue().to_pybytes())


def as_zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/data", content)
        archive.writestr("__MACOSX/folder/._data", b"\x00")
    return out.getvalue()


FORMATS: dict[str, Callable[[Pairs], bytes]] = {
    "csv": as_csv,
    "tsv": lambda rows: as_csv(rows, "\t"),
    "jsonl": as_jsonl,
    "json": lambda rows: json.dumps(objects(rows), indent=1).encode(),
    "parquet": as_parquet,
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "zstd": as_zstd,
    "zip": as_zip,
}


def bring(tmp_path: Path, content: bytes | str) -> Path:
    path = tmp_path / "brought"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def pairs(path: Path) -> Pairs:
    rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    return [(row["prompt"], row["completion"]) for row in rows]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_recognised_by_content(tmp_path: Path, name: str, packing: str) -> None:
    path = bring(tmp_path, PACKINGS[packing](FORMATS[name](PAIRS)))
    report = check(path, rows_out=tmp_path / "rows")
    assert report.ok, report.findings
    assert (report.format, report.compression) == (name, packing)
    assert pairs(tmp_path / "rows") == PAIRS
    assert report.preview[0] == {"prompt": PAIRS[0][0], "completion": PAIRS[0][1]}
    seen = sample(path)
    assert (seen.format, seen.compression) == (name, packing)
    assert seen.columns == ["prompt", "completion"]
    assert seen.rows == [list(pair) for pair in PAIRS[:10]]
    assert seen.guess == report.mapping
    assert read_probes(path) == (PAIRS, [])


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.tuples(st.text(max_size=40), st.text(max_size=12)), max_size=30))
def test_all_formats_say_the_same(tmp_path_factory: pytest.TempPathFactory, rows: Pairs) -> None:
    """Whether a chunk is read as a whole or row by row, the same rows are usable."""
    tmp_path = tmp_path_factory.mktemp("same")
    found = []
    # "\r" within a cell is not what the readers of tables disagree about here.
    rows = [(a.replace("\r", " "), b.replace("\r", " ")) for a, b in rows]
    for name in ("csv", "jsonl", "json", "parquet"):
        report = check(bring(tmp_path, FORMATS[name](rows)), rows_out=tmp_path / "rows")
        counts = report.counts
        found.append((report.ok, report.rows, counts["duplicates"], counts["conflicts"]))
    assert len(set(found)) == 1, found


def test_large_files_are_cut_where_rows_end(tmp_path: Path) -> None:
    rows = [(f"{n}: " + 'a "b"\n' * (n % 50), f"answer {n}") for n in range(60_000)]
    stripped = [(prompt.strip(), completion) for prompt, completion in rows]
    for make in (as_csv, as_jsonl):
        path = bring(tmp_path, make(rows))
        assert path.stat().st_size > 6 * 2**20  # some chunks
        report = check(path, rows_out=tmp_path / "rows")
        assert report.ok, report.findings
        assert pairs(tmp_path / "rows") == stripped


def test_one_bad_row_far_behind_has_its_place(tmp_path: Path) -> None:
    good = [(f"a prompt of some length, and a line break\n {n}", f"b {n}") for n in range(80_000)]
    for make, line in ((as_csv, 2 * 70_000 + 2), (as_jsonl, 70_001)):
        rows = [*good[:70_000], ("", "no prompt"), *good[70_000:]]
        report = check(bring(tmp_path, make(rows)), rows_out=None)
        (error,) = [f for f in report.findings if f.severity == "error"]
        assert (error.row, error.line, error.column) == (70_001, line, "prompt")
        assert report.rows == 80_000


@pytest.mark.parametrize("encoding", ["cp1252", "cp1251", "shift_jis"])
def test_older_encodings_are_read_with_a_warning(tmp_path: Path, encoding: str) -> None:
    words = {"cp1252": "Grüße aus Köln, schöne Straße", "cp1251": "Привет, как дела сегодня",
             "shift_jis": "こんにちは、元気ですか。今日はいい天気ですね"}[encoding]  # fmt: skip
    content = "text;label\n" + "".join(f"{words} {n};l{n % 3}\n" for n in range(50))
    report = check(bring(tmp_path, content.encode(encoding)), rows_out=tmp_path / "rows")
    assert report.ok, report.findings
    assert report.findings[0].severity == "warning"
    assert "not UTF-8" in report.findings[0].problem
    assert pairs(tmp_path / "rows")[0] == (f"{words} 0", "l0")


@pytest.mark.parametrize(
    ("record", "prompt", "completion"),
    [
        ({"question": "Q?", "choices": ["x", "y"], "answer": 1}, "Q?\nA. x\nB. y", "B"),
        ({"question": "Q?", "choices": ["x", "y"], "answer": "a"}, "Q?\nA. x\nB. y", "A"),
        ({"question": "Q?", "options": ["x", "y"], "answer": "y"}, "Q?\nA. x\nB. y", "B"),
        ({"question": "Q?", "choices": {"A": "x", "B": "y"}, "answer": "B"}, "Q?\nA. x\nB. y", "B"),
        (
            {"question": "Q?", "choices": {"text": ["x", "y"], "label": ["1", "2"]},
             "answerKey": "2"},
            "Q?\nA. x\nB. y", "B",
        ),
        ({"question": "Q?", "A": "x", "B": "y", "C": "", "answer": "B"}, "Q?\nA. x\nB. y", "B"),
    ],
)  # fmt: skip
def test_multiple_choice_is_asked_as_in_evaluation(
    tmp_path: Path, record: dict[str, Any], prompt: str, completion: str
) -> None:
    report = check(bring(tmp_path, json.dumps(record) + "\n"), rows_out=tmp_path / "rows")
    assert report.shape == "multiple_choice", report.findings
    assert pairs(tmp_path / "rows") == [(prompt, completion)]


def test_multiple_choice_in_a_table(tmp_path: Path) -> None:
    content = "question,choice1,choice2,answer\nQ?,x,y,0\n"
    assert check(bring(tmp_path, content), rows_out=tmp_path / "rows").ok
    assert pairs(tmp_path / "rows") == [("Q?\nA. x\nB. y", "A")]
    content = 'question,choices,answer\nQ?,"[""x"", ""y""]",C\nQ?,no list,A\n'
    report = check(bring(tmp_path, content), rows_out=None)
    assert [(f.row, f.column) for f in report.findings] == [(1, "answer"), (2, "choices")]


@pytest.mark.parametrize(
    ("content", "completions"),
    [
        ("One line to learn from.\nAnother line, with a comma.\n", 2),
        ("A paragraph\nof two lines.\n\n\nAnother one.\n", 2),
        ('{"text": "one"}\n{"text": "two"}\n', 2),
        ("text\none example\nanother example\n", 2),
    ],
)
def test_plain_text_has_no_prompts(tmp_path: Path, content: str, completions: int) -> None:
    report = check(bring(tmp_path, content), rows_out=tmp_path / "rows")
    assert report.ok, report.findings
    assert report.shape == "plain_text"
    rows = pairs(tmp_path / "rows")
    assert [prompt for prompt, _ in rows] == [""] * completions
    assert report.counts["conflicts"] == 0


class TestMapping:
    TABLE = "frage,antwort,id\nwas ist das?,ein Haus,1\nund das?,ein Baum,2\n"

    def test_columns_that_are_not_obvious_are_no_error(self, tmp_path: Path) -> None:
        report = check(bring(tmp_path, self.TABLE), rows_out=tmp_path / "rows")
        assert (report.ok, report.needs_mapping, report.counts["errors"]) == (False, True, 0)
        assert "'frage', 'antwort', 'id'" in report.findings[0].problem
        assert report.preview[1] == {"frage": "und das?", "antwort": "ein Baum", "id": "2"}
        assert not (tmp_path / "rows").exists()

    def test_a_mapping_is_used_as_it_is(self, tmp_path: Path) -> None:
        mapping = {"shape": "prompt_completion", "prompt": ["id", "frage"], "completion": "antwort"}
        path = bring(tmp_path, self.TABLE)
        report = check(path, rows_out=tmp_path / "rows", mapping=mapping)
        assert report.ok
        assert pairs(tmp_path / "rows")[1] == ("2\n\nund das?", "ein Baum")
        again = check(path, rows_out=tmp_path / "again", mapping=report.mapping)
        assert again == report

    @pytest.mark.parametrize(
        "mapping",
        [
            {},
            {"shape": "unknown"},
            {"shape": "text_label", "prompt": ["frage"]},
            {"shape": "text_label", "prompt": "frage", "completion": "Antwort"},
            {"shape": "text_label", "prompt": ["frage"], "completion": "frage"},
            {"shape": "text_label", "prompt": [3], "completion": "antwort"},
            {"shape": "multiple_choice", "prompt": ["frage"], "completion": "antwort"},
            {"shape": "chat"},
        ],
    )
    def test_a_mapping_that_does_not_fit_is_asked_for_anew(
        self, tmp_path: Path, mapping: dict[str, Any]
    ) -> None:
        report = check(bring(tmp_path, self.TABLE), rows_out=None, mapping=mapping)
        assert (report.needs_mapping, report.counts["errors"]) == (True, 0)
        assert report.findings[0].problem

    def test_a_table_without_a_header_numbers_its_columns(self, tmp_path: Path) -> None:
        path = bring(tmp_path, "how old is it?,12\nhow tall is it?,180\n")
        report = check(path, rows_out=None)
        assert (report.needs_mapping, report.columns) == (True, ["column 1", "column 2"])
        mapping = {"shape": "text_label", "prompt": ["column 1"], "completion": "column 2"}
        check(path, rows_out=tmp_path / "rows", mapping=mapping)
        assert pairs(tmp_path / "rows") == [("how old is it?", "12"), ("how tall is it?", "180")]


def test_types_and_shares_of_what_is_missing(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "label": 1, "more": [1]},
        {"text": "b", "label": 2},
        {"text": "c", "label": 1},
    ]
    report = check(
        bring(tmp_path, "\n".join(json.dumps(row) for row in rows)), rows_out=tmp_path / "rows"
    )
    assert report.preview_columns == [
        {"name": "text", "type": "text", "null_share": 0.0},
        {"name": "label", "type": "whole number", "null_share": 0.0},
        {"name": "more", "type": "list", "null_share": 0.667},
    ]
    assert report.preview[0] == {"text": "a", "label": "1", "more": "[1]"}
    assert pairs(tmp_path / "rows") == [("a", "1"), ("b", "2"), ("c", "1")]
