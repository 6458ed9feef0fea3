"""Probes from a file and as a member types them."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributions.evaluation_tasks.moco import TASK_TYPES, TaskItem, read_task
from contributions.intake import (
    PROBE_LIMITS,
    Limits,
    is_task,
    parse_typed_probes,
    read_probes,
    read_task_probes,
)


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


def task_file(folder: Path, task: object) -> Path:
    path = folder / "probes"
    path.write_text(task if isinstance(task, str) else json.dumps(task))
    return path


def problems(path: Path, limits: Limits = PROBE_LIMITS) -> list[tuple[str, str, int | None, str]]:
    _, findings = read_task_probes(path, limits)
    return [(one.severity, one.column or "", one.row, one.problem) for one in findings]


def test_choices_stand_in_the_prompt_each_on_a_line_with_its_letter(tmp_path: Path) -> None:
    choices = {"A": "Jose.", "B": "Luis Obispo."}
    item = {"id": 1, "question": "San what?", "choices": choices, "answer": "B"}
    path = task_file(tmp_path, {"name": "t", "task_type": "multiple_choice", "dev": [item]})

    assert is_task(path)
    task, findings = read_task_probes(path)

    assert (task.task_type, findings) == ("multiple_choice", [])
    assert task.items == (
        TaskItem("dev", 1, "San what?\nA. Jose.\nB. Luis Obispo.", ("B", "Luis Obispo.")),
    )


@pytest.mark.parametrize(
    ("kind", "output", "answers"),
    [
        ("exact_match", "150", ("150",)),
        ("f1_match", ["Nora", "nora b", "Nora"], ("Nora", "nora b")),
        ("f1_match", '["Nora", "nora b"]', ("Nora", "nora b")),
        ("f1_match", "[sic] Nora", ("[sic] Nora",)),
        ("f1_match", "[4, 6]", ("[4, 6]",)),
        ("exact_match", '["4"]', ('["4"]',)),
    ],
)
def test_several_answers_are_a_list_or_for_f1_a_list_within_a_text(
    tmp_path: Path, kind: str, output: object, answers: tuple[str, ...]
) -> None:
    item = {"input": "who?", "output": output}
    path = task_file(tmp_path, {"dataset": "t", "task_type": kind, "test": [item]})
    assert read_task_probes(path)[0].items == (TaskItem("test", 1, "who?", answers),)


GOOD = {"input": "x", "output": "y"}
CHOICE = {"question": "x", "choices": {"A": "y", "B": "z"}, "answer": "A"}


@pytest.mark.parametrize(
    ("kind", "item", "column", "says"),
    [
        ("exact_match", "x", "dev", "no"),
        ("exact_match", {"output": "y"}, "dev input", '"input" is missing, or no text.'),
        ("exact_match", {"input": "x", "output": 3}, "dev output", '"output" is missing'),
        ("exact_match", {"input": "x", "output": " "}, "dev output", '"output" is missing'),
        ("f1_match", {"input": "x", "output": []}, "dev output", "no list of texts"),
        ("f1_match", {"input": "x", "output": ["y", None]}, "dev output", "no list of texts"),
        ("multiple_choice", GOOD, "dev question", '"question" is missing'),
        ("multiple_choice", CHOICE | {"choices": ["y", "z"]}, "dev choices", "not an object"),
        ("multiple_choice", CHOICE | {"choices": {"A": "y"}}, "dev choices", "one choice only"),
        ("multiple_choice", CHOICE | {"choices": {"A": "y", "B": 3}}, "dev B", '"B" is missing'),
        ("multiple_choice", CHOICE | {"choices": {"A1": "y"}}, "dev choices", "no letter"),
        (
            "multiple_choice",
            CHOICE | {"choices": {"\ud800" * 999: "y"}},
            "dev choices",
            "no letter",
        ),
        ("multiple_choice", CHOICE | {"answer": "y"}, "dev answer", "'y', none of A, B"),
        ("multiple_choice", CHOICE | {"answer": ["A"]}, "dev answer", "none of A, B"),
        ("exact_match", {"input": "x\x00", "output": "y"}, "dev prompt", "NUL"),
        ("exact_match", {"input": "x", "output": "\ud800"}, "dev answer", "not valid text"),
        ("exact_match", {"input": "x" * 9_000, "output": "y"}, "dev", "too long"),
    ],
)
def test_a_bad_item_is_named_with_its_list_its_number_and_its_key(
    tmp_path: Path, kind: str, item: object, column: str, says: str
) -> None:
    good = CHOICE if kind == "multiple_choice" else GOOD
    path = task_file(tmp_path, {"name": "t", "task_type": kind, "dev": [good, item]})

    task, (finding,) = read_task_probes(path)

    assert len(task.items) == 1
    assert (finding.severity, finding.row, finding.column or "") == ("error", 2, column)
    assert says in finding.problem and finding.expected and finding.remedy


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ('{"dev": [', "This is not JSON"),
        ('{"dev": [], "dev": [], "task_type": "exact_match"}', "'dev' stands twice"),
        ('{"task_type": ' + "[" * 100_000, "This is not JSON"),
        ('{"task_type": "f1_match", "dev": [' + "9" * 5_000 + "]}", "This is not JSON"),
        ({"dev": [GOOD]}, '"task_type" is None, none of exact_match, f1_match, multiple_choice.'),
        ({"task_type": "coding", "dev": [GOOD]}, "\"task_type\" is 'coding'"),
        ({"task_type": ["f1_match"], "dev": []}, '"task_type" is'),
        ({"task_type": "f1_match", "dev": {}}, '"dev" is not a list.'),
        ({"task_type": "f1_match", "dev": [], "test": []}, "There are no probes in the task."),
    ],
)
def test_a_task_that_cannot_be_read_has_one_finding(
    tmp_path: Path, task: object, says: str
) -> None:
    path = task_file(tmp_path, task)
    assert is_task(path)
    ((severity, column, row, problem),) = problems(path)
    assert (severity, column, row) == ("error", "", None)
    assert says in problem


def test_a_task_is_in_utf8_and_within_the_limits(tmp_path: Path) -> None:
    path = task_file(tmp_path, {"task_type": "exact_match", "dev": [GOOD, {**GOOD, "input": "z"}]})
    assert "too large" in problems(path, Limits(max_bytes=10))[0][-1]
    assert "too many items: 2" in problems(path, Limits(max_rows=1))[0][-1]
    path.write_bytes(path.read_bytes().replace(b"z", b"\xff"))
    assert "not a text in UTF-8: byte" in problems(path)[0][-1]
    path.write_bytes(
        b"\xef\xbb\xbf" + json.dumps({"task_type": "f1_match", "dev": [GOOD]}).encode()
    )
    assert is_task(path) and problems(path) == []


def test_of_two_with_the_same_prompt_the_first_is_kept(tmp_path: Path) -> None:
    items = {"dev": [GOOD], "test": [{"input": "X ", "output": "z"}]}
    task, (finding,) = read_task_probes(task_file(tmp_path, {"task_type": "exact_match"} | items))
    assert [item.answers for item in task.items] == [("y",)]
    assert finding.severity == "warning" and "same as in dev 1" in finding.problem


@pytest.mark.parametrize(
    "content", ["prompt,answer\n", '{"prompt": "\\"dev\\": [", "answer": "x"}\n', "[]", ""]
)
def test_rows_are_no_task(tmp_path: Path, content: str) -> None:
    assert not is_task(task_file(tmp_path, content))


KEYS = st.sampled_from(
    ["dev", "test", "task_type", "input", "output", "question", "choices", "answer", "A", "B"]
)
LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
JSON = st.recursive(
    LEAVES | st.sampled_from(TASK_TYPES),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(
    JSON | st.fixed_dictionaries({"task_type": st.sampled_from(TASK_TYPES), "dev": st.lists(JSON)})
)
def test_whatever_the_json_holds_it_ends_in_items_or_faults(value: object) -> None:
    task = read_task(json.dumps(value))
    assert task.faults or task.task_type in TASK_TYPES


@pytest.mark.parametrize("name", ["gsm8k", "truthfulqa"])
def test_real_tasks_are_read_whole(name: str) -> None:
    """Where they are on hand: named by MOSAIC_DATA, or beside the repository."""
    root = Path(__file__).resolve().parents[2]
    data = Path(os.environ.get("MOSAIC_DATA", root.parent / "shared" / "data"))
    path = data / "tasks" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"{path} is not there: set MOSAIC_DATA to a folder that holds tasks/")
    assert is_task(path)
    task, findings = read_task_probes(path)
    assert findings == []
    assert len(task.items) == {"gsm8k": 1200, "truthfulqa": 817}[name]
