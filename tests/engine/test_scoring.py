import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_workers.engine.scoring import (
    Item,
    exact_match,
    f1,
    f1_match,
    marked,
    multiple_choice,
    normalised,
)


@given(st.text())
def test_case_space_and_final_marks_do_not_count(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
    assert exact_match(f"  {text} .\n", text)
    assert f1(text, text) in (0.0, 1.0)


@given(st.text(), st.text())
def test_f1_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert 0 <= f1(one, other) <= 1
    assert f1(one, other) == pytest.approx(f1(other, one))


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [("Paris.", "paris", True), ("ｐａｒｉｓ", "Paris", True), ("Paris, France", "Paris", False)],
)
def test_exact_match(answer: str, reference: str, right: bool) -> None:
    assert exact_match(answer, reference) is right


def test_f1_worked_by_hand() -> None:
    assert f1("the red red ball", "a red ball") == pytest.approx(2 * 2 / 7)
    assert f1_match("the red red ball", "a red ball")
    assert not f1_match("the red ball", "a cat")
    assert f1("", "") == 0


@pytest.mark.parametrize("answer", ["B", "b)", "(B) because", " b. it is", '"B"'])
def test_a_choice_is_named_by_its_letter(answer: str) -> None:
    assert multiple_choice(answer, "B")
    assert not multiple_choice(answer, "A")


@pytest.mark.parametrize("answer", ["", "Because B", "bee", "1"])
def test_a_word_is_no_choice(answer: str) -> None:
    assert not multiple_choice(answer, "B")


def test_either_of_two_right_answers_is_right() -> None:
    item = Item("a colour of the flag?", ("red", "white"), "flags")
    assert marked([item] * 4, ["White.", "red", "blue", "red white"]) == [True, True, False, False]
    assert Item("?", ("the red ball",), "g", "f1_match").is_right("red ball")
    with pytest.raises(ValueError, match="zip"):
        marked([item], [])
