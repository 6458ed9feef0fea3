"""Probes from a file and as a member types them."""

from pathlib import Path

import pytest

from contributions.intake import Limits, parse_typed_probes, read_probes


@pytest.mark.parametrize(
    "content",
    [
        "prompt,answer\na,x\nb,y\n",
        "question;answer\na;x\nb;y\n",
        "text\tlabel\na\tx\nb\ty\n",
        '{"prompt": "a", "completion": "x"}\n{"prompt": "b", "completion": "y"}\n',
        '{"question": "a", "answer": "x"}\n{"question": "b", "answer": "y"}\n',
    ],
)
def test_probes_come_from_the_same_files_as_datasets(tmp_path: Path, content: str) -> None:
    path = tmp_path / "probes"
    path.write_text(content)
    assert read_probes(path) == ([("a", "x"), ("b", "y")], [])


def test_good_probes_are_read_beside_bad_ones(tmp_path: Path) -> None:
    path = tmp_path / "probes"
    path.write_text("prompt,answer\na,x\nb,\na,x\na,z\nc,y\n")
    pairs, findings = read_probes(path)
    assert pairs == [("a", "x"), ("c", "y")]
    assert [(f.severity, f.row) for f in findings] == [("error", 2), ("warning", 3), ("warning", 4)]
    assert "another" not in findings[1].problem
    assert "another" in findings[2].problem


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("prompt,answer\n", "no probes"),
        ("", "empty"),
        ("%PDF-1.7", "PDF"),
        ("a,b\nc,d\n", "'a', 'b'"),
    ],
)
def test_a_file_without_probes(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "probes"
    path.write_text(content)
    pairs, (finding,) = read_probes(path)
    assert (pairs, finding.severity) == ([], "error")
    assert says in finding.problem


def test_too_many_probes(tmp_path: Path) -> None:
    path = tmp_path / "probes"
    path.write_text("prompt,answer\na,x\nb,y\nc,z\n")
    pairs, (finding,) = read_probes(path, Limits(max_rows=2))
    assert pairs == [("a", "x"), ("b", "y")]
    assert "too many" in finding.problem


def test_typed_probes() -> None:
    pairs, findings = parse_typed_probes("a timer => timer\n\n hi\tgreeting \r\nbye | farewell\n")
    assert pairs == [("a timer", "timer"), ("hi", "greeting"), ("bye", "farewell")]
    assert findings == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no separator", "no '=>'"),
        ("a => b => c", "two '=>'"),
        ("=> b", "'prompt' is empty"),
        ("a =>", "'answer' is empty"),
        ("a\x00 => b", "NUL"),
        ("x" * 8_000 + " => b", "too long"),
    ],
)
def test_a_typed_line_that_is_wrong_has_its_number(line: str, says: str) -> None:
    pairs, (finding,) = parse_typed_probes(f"a => x\n\n{line}\nb => y")
    assert pairs == [("a", "x"), ("b", "y")]
    assert (finding.severity, finding.row) == ("error", 3)
    assert says in finding.problem


def test_nothing_typed() -> None:
    assert parse_typed_probes(" \n")[1][0].problem == "There are no probes."
