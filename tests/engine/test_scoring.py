import pytest
from hypothesis import given
from hypothesis import strategies as st

from contributions.evaluation_tasks.moco import TASK_TYPES
from training_workers.engine.reporting import release_report
from training_workers.engine.scoring import (
    SCORERS,
    Item,
    exact_match,
    f1,
    final_answer,
    marked,
    multiple_choice,
    normalised,
    scored,
    tokens,
)


@given(st.text())
def test_case_space_and_final_marks_do_not_count(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
    assert exact_match(f"  {text} .\n", text)
    assert f1(text, text) == 1


@given(st.text(), st.text())
def test_f1_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert 0 <= f1(one, other) <= 1
    assert f1(one, other) == pytest.approx(f1(other, one))


@given(st.text(), st.lists(st.text(min_size=1), min_size=1), st.sampled_from(TASK_TYPES))
def test_every_task_type_has_a_score_between_0_and_1(
    answer: str, references: list[str], kind: str
) -> None:
    assert SCORERS.keys() == set(TASK_TYPES)
    item = Item("?", tuple(references), "g", kind)
    assert 0 <= item.score(answer) <= 1
    assert item.score(answer) == max(
        Item("?", (one,), "g", kind).score(answer) for one in references
    )


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("Paris.", "paris", True),
        ("ｐａｒｉｓ", "Paris", True),
        ("Paris, France", "Paris", False),
        ("The answer is Paris.", "Paris", True),
        ("Not 7. Answer: 8\nThat is all.", "8", True),
        ("First, the answer is 7. No, the answer is 8", "8", True),
        (r"So \boxed{42}.", "42", True),
        ("the answerer is Paris", "Paris", False),
        ("the answer is no", "the answer is no", True),
        ("3,450", "3450", True),
        ("$3,450.00", "3450", True),
        ("3,45", "345", False),
        ("-5", "5", False),
        ("12", "12 apples", False),
        ("", "5", False),
        ("C++", "C", False),
    ],
)
def test_exact_match(answer: str, reference: str, right: bool) -> None:
    assert exact_match(answer, reference) is right


def test_the_final_answer_is_the_last_one_named() -> None:
    assert final_answer("Answer: a\nmore\nAnswer:\n b ") == "b"
    assert final_answer("just this") == "just this"


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        # said {red: 2, ball}, meant {red, ball}: 2 in common, 2 * 2 / (3 + 2)
        ("the red red ball", "a red ball", 4 / 5),
        ("red ball", "A red, ball!", 1),
        # 1 in common of 2 and 1: precision 1/2, recall 1
        ("red cat", "a cat", 2 / 3),
        # 1 of 5 and 1 of 1
        ("it may be some cat", "cat", 1 / 3),
        ("dog", "cat", 0),
        ("the", "a", 0),
        ("The.", "the", 1),
        ("", "a cat", 0),
    ],
)
def test_f1_worked_by_hand(answer: str, reference: str, score: float) -> None:
    assert f1(answer, reference) == pytest.approx(score)
    assert Item("?", (reference,), "g", "f1_match").is_right(answer) is (score >= 0.5)


def test_tokens_are_those_of_squad() -> None:
    assert tokens("The U.S.A.,  an «old» state-of-the-art!") == ["usa", "«old»", "stateoftheart"]


@pytest.mark.parametrize(
    "answer",
    ["B", "b)", "(B) because", " b. it is", '"B"', "B: Rome", "The answer is B.", "Answer: (b)"],
)
def test_a_choice_is_named_by_its_letter(answer: str) -> None:
    assert multiple_choice(answer, "B")
    assert not multiple_choice(answer, "A")


@pytest.mark.parametrize("answer", ["", "Because B", "bee", "1", "B is a letter", "B.sc", "b-side"])
def test_a_word_is_no_choice(answer: str) -> None:
    assert not multiple_choice(answer, "B")


def test_a_choice_is_named_by_its_whole_text() -> None:
    item = Item("Which?\nA. A dog\nB. A cat", ("B", "A cat"), "pets", "multiple_choice")
    answers = ["a cat.", "The answer is A cat", "B", "A dog", "A", "a cat and a dog", "cat"]
    assert marked([item] * 7, answers) == [True, True, True, False, False, False, False]


def test_either_of_two_right_answers_is_right() -> None:
    item = Item("a colour of the flag?", ("red", "white"), "flags")
    assert marked([item] * 4, ["White.", "red", "blue", "red white"]) == [True, True, False, False]
    with pytest.raises(ValueError, match="zip"):
        marked([item], [])


def test_the_closest_of_several_answers_counts() -> None:
    item = Item("who?", ("the old keeper", "nora"), "people", "f1_match")
    # {keeper} of {old, keeper}: 2 * 1 / 3; {nora, keeper}: 1 of 2 and 1 of 1
    assert scored([item] * 3, ["keeper", "nora keeper", "nobody"]) == pytest.approx(
        [2 / 3, 2 / 3, 0]
    )


def test_a_report_means_scores_and_counts_what_is_solved() -> None:
    """Four probes by F1: the means are of F1; McNemar's test counts who reaches 0.5."""
    report = release_report(
        groups=["g"] * 4,
        base=[0.0, 0.4, 0.4, 0.0],
        experts={"e": [0.6, 0.4, 0.4, 0.0]},
        best_single="e",
        mosaic=[0.6, 0.7, 0.5, 0.8],
        routes=["e", "e", None, None],
        owners={"g": ["e"]},
    )
    assert report["scores"]["mosaic"]["score"] == pytest.approx(0.65)
    assert report["scores"]["base"]["score"] == pytest.approx(0.2)
    # 4 to 0 solved: p = 2 / 2^4; 3 to 0 against the expert: p = 2 / 2^3
    assert report["differences"]["base"]["mcnemar_p"] == pytest.approx(1 / 8)
    assert report["differences"]["best_single"]["mcnemar_p"] == pytest.approx(1 / 4)
    assert report["answered"]["e"] == pytest.approx(1.3 / 4)
