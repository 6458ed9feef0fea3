"""The pure parts of what a check tells: laws that hold for every text and number."""

import csv
import io
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributions.comparison import FEWEST_ROWS, Comparison, Shared, told
from contributions.forms import MappingForm
from contributions.intake import Finding, Report
from contributions.preview import MOST_BYTES, cells, clipped
from contributions.report_file import FORMULA, findings_csv


def report_with(findings: list[Finding]) -> Report:
    return Report(
        format="csv",
        shape="text_label",
        rows=0,
        findings=findings,
        counts={"errors": 0, "warnings": 0, "notes": 0},
        columns=[],
        labels=[],
        preview=[],
        lengths={},
        sha256="",
        size=0,
    )


@pytest.mark.parametrize(
    ("count", "rows", "words"),
    [
        (0, 99, ""),
        (99, 99, ""),
        (0, 100, "none or fewer than 10"),
        (9, 100, "none or fewer than 10"),
        (10, 100, "10 or more"),
        (99, 100, "10 or more"),
        (1234, 5000, "1,000 or more"),
    ],
)
def test_what_is_told(count: int, rows: int, words: str) -> None:
    assert told(count, rows) == words


@given(st.integers(0, FEWEST_ROWS - 1))
def test_a_small_file_is_told_the_same_whatever_it_holds(count: int) -> None:
    assert told(count, FEWEST_ROWS - 1) == told(0, FEWEST_ROWS - 1)


def test_a_comparison_comes_back_as_it_was_stored() -> None:
    comparison = Comparison((Shared(3, 2, 1),), "none", "12", "fewer than 10")

    assert Comparison.from_dict(comparison.to_dict()) == comparison
    assert Comparison.from_dict({}) == Comparison()


@given(st.text(), st.integers(4, 60))
def test_a_clipped_text_keeps_its_weight_and_its_beginning(text: str, most: int) -> None:
    text = text.encode("utf-8", "replace").decode()

    shown = clipped(text, most)

    assert shown is not None
    assert len(escape(shown).encode()) <= most
    assert shown == text or text.startswith(shown[:-1])


def test_a_page_of_cells_keeps_its_weight() -> None:
    names = [f"c{n}" for n in range(64)]
    page = [dict.fromkeys(names, "<'&\">" * 100) for _ in range(20)]

    shown = cells(names, page)

    weight = sum(len(escape(text or "").encode()) for row in shown for text in row)
    assert weight <= MOST_BYTES
    assert all(text for row in shown for text in row)


def test_what_is_missing_stays_missing() -> None:
    assert cells(["a", "b"], [{"a": None}]) == [[None, None]]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00\r")), max_size=5))
def test_findings_as_csv_lose_nothing_and_hold_no_formula(columns: list[str]) -> None:
    findings = [Finding("error", n, column, "p", "e", "r") for n, column in enumerate(columns)]

    text = findings_csv(report_with(findings))

    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [line["column"].removeprefix("'") for line in lines] == [
        column.removeprefix("'") for column in columns
    ]
    assert not any(line["column"].startswith(FORMULA) for line in lines)


@pytest.mark.parametrize(
    ("roles", "mapping"),
    [
        (
            ["prompt", "prompt", "answer"],
            {"shape": "prompt_completion", "prompt": ["a", "b"], "completion": "c"},
        ),
        (["label", "", "prompt"], {"shape": "text_label", "prompt": ["c"], "completion": "a"}),
        (
            ["prompt", "choice", "answer"],
            {"shape": "multiple_choice", "prompt": ["a"], "choices": ["b"], "completion": "c"},
        ),
        (["", "conversation", ""], {"shape": "chat", "prompt": ["b"], "completion": ""}),
        (["text", "", ""], {"shape": "plain_text", "prompt": [], "completion": "a"}),
    ],
)
def test_roles_make_a_mapping_and_a_mapping_shows_its_roles(
    roles: list[str], mapping: dict[str, object]
) -> None:
    names = ["a", "b", "c"]
    sent = {f"column_{place}": role for place, role in enumerate(roles)}

    form = MappingForm(sent, columns=names, mapping={})

    assert form.is_valid()
    assert form.mapping == mapping
    shown = MappingForm(columns=names, mapping=mapping)
    assert [field.initial for field in shown.fields.values()] == roles
