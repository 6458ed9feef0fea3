import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_workers.engine.profiles import BUCKETS, LAMBDA, Fit, ngrams, profile_of
from training_workers.engine.strategies.chain import runs

WORDS = ["keeper", "owl", "town", "live", "does", "the", "of", "zzz"]
QUESTIONS = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
BIRDS = profile_of(["who is the keeper of the owl", "who is the keeper of the crow"])
TOWNS = profile_of(["in which town does anna live", "in which town does ben live"])
COOKS = profile_of(["how long does soup cook"])
DEV = ["in which town does anna live", "the keeper of the crow", "a question"]
FIT = Fit([BIRDS, TOWNS], DEV)
QUESTION = "in which town does the keeper of the owl live"


def test_a_question_fits_the_expert_that_was_taught_its_words() -> None:
    birds, towns = FIT.of(["the keeper of an eagle", "which town"]).argmax(axis=1)
    assert (birds, towns) == (0, 1)


def test_fit_worked_by_hand() -> None:
    profile = profile_of(["red ball"])  # red, ball, and the pair of them
    fit = Fit([profile], ["red"])
    common = {"red": 2 / (BUCKETS + 1), "cat": 1 / (BUCKETS + 1), "pair": 1 / (BUCKETS + 1)}
    of_red = np.log(1 + (1 - LAMBDA) / LAMBDA * (1 / 3) / common["red"])
    assert fit.of(["RED cat"])[0, 0] == pytest.approx(of_red / 3)  # cat and the pair give 0
    assert fit.of(["Red"])[0, 0] == pytest.approx(of_red)


def test_words_never_seen_have_fit_0() -> None:
    assert FIT.of(["xyzzy plugh", "", "?!"]).tolist() == [[0, 0]] * 3
    assert Fit([profile_of([])], DEV).of([QUESTION]).tolist() == [[0]]
    assert Fit([BIRDS], []).of(["keeper"])[0, 0] > 0


@given(QUESTIONS)
def test_a_profile_fits_whatever_other_profiles_there_are(question: str) -> None:
    both, more = FIT.of([question]), Fit([COOKS, TOWNS, BIRDS], DEV).of([question])
    assert both[0].tolist() == more[0, [2, 1]].tolist()
    assert (both >= 0).all()


def test_a_profile_is_json_and_tells_no_order() -> None:
    assert json.loads(json.dumps(BIRDS)) == BIRDS
    assert profile_of(["b c", "a"]) == profile_of(["a", "b c"])
    assert Fit([json.loads(json.dumps(BIRDS))], DEV).of([QUESTION]) == Fit([BIRDS], DEV).of(
        [QUESTION]
    )


def test_which_words_a_profile_has() -> None:
    birds, towns = FIT.known("The KEEPER does zzz").T.tolist()
    assert birds == [True, True, False, False]
    assert towns == [False, False, True, False]
    assert FIT.known("?!").shape == (0, 2)


def sums(text: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The terms of a text, summed, by way of its mean."""
    words, pairs = ngrams(text)
    total: np.ndarray[tuple[int], np.dtype[np.float64]] = FIT.of([text])[0] * len(words + pairs)
    return total


@given(QUESTIONS)
def test_two_sources_against_every_cut_by_hand(question: str) -> None:
    _, parts = runs(question)
    two, gains = FIT.two_sources(question, parts, [0, 1])
    words = question.split()
    for (first, end), found, gain in zip(parts.tolist(), two, gains, strict=True):
        inner = sums(" ".join(words[first:end]))
        outer = sums(" ".join(words[:first])) + sums(" ".join(words[end:]))
        assert found == pytest.approx(inner.max() + outer.max())
        assert gain == pytest.approx(inner.max() + outer.max() - (inner + outer).max())
        assert gain >= 0


def test_two_sources_finds_the_part_that_another_was_taught() -> None:
    words, parts = runs(QUESTION)
    two, gains = FIT.two_sources(QUESTION, parts, [0, 1])
    first, end = parts[int(np.argmax(two))]
    assert QUESTION[words[first][0] : words[end - 1][1]] == "the keeper of the owl"
    assert gains[int(np.argmax(two))] > 0
    _, alone = FIT.two_sources(QUESTION, parts, [1])
    assert alone.tolist() == [0] * len(parts)
    nobody, _ = FIT.two_sources(QUESTION, parts, [])
    assert nobody.tolist() == [0] * len(parts)


@given(st.text(st.sampled_from("aİͅßﬁ -'é")))
def test_words_are_the_same_whether_they_are_counted_or_cut_out(text: str) -> None:
    assert len(ngrams(text)[0]) == len(re.findall(r"\w+", text))
    _, parts = runs(text)
    assert len(FIT.two_sources(text, parts, [0, 1])[0]) == len(parts)
