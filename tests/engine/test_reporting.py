import json
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_workers.engine.reporting import release_report
from training_workers.engine.resampling import Bootstrap, mcnemar
from training_workers.engine.scoring import exact_match

GROUPS = ["a"] * 4 + ["b"] * 4
REPORT = release_report(
    groups=GROUPS,
    base=[False] * 8,
    experts={
        "x": [True, True, True, False, False, False, False, False],
        "y": [False, False, False, False, True, True, False, False],
    },
    best_single="x",
    monolith=[True, False, False, False, True, False, False, False],
    mosaic=[True, True, False, False, True, True, False, False],
    routes=["x", "x", "y", None, "y", "y", "y", "x"],
    owners={"a": ["x"], "b": ["y"]},
)


def test_scores_worked_by_hand() -> None:
    scores = {name: row["score"] for name, row in REPORT["scores"].items()}
    assert scores == {"base": 0.0, "best_single": 3 / 8, "monolith": 2 / 8, "mosaic": 4 / 8}
    assert {name: row["score"] for name, row in REPORT["experts"].items()} == {
        "x": 3 / 8,
        "y": 2 / 8,
    }
    of_a = REPORT["priorities"]["a"]
    assert (of_a["n"], of_a["own"]["score"], of_a["mosaic"]["score"]) == (4, 0.75, 0.5)
    assert of_a["best_single"]["score"] == 0.75


def test_credit_and_routing_worked_by_hand() -> None:
    assert REPORT["credit"] == {"x": 2 / 8, "y": 2 / 8}
    assert REPORT["routing_accuracy"] == 5 / 8


def test_differences_worked_by_hand() -> None:
    against_single = REPORT["differences"]["best_single"]
    assert against_single["score"] == pytest.approx(1 / 8)
    assert against_single["mcnemar_p"] == 1.0  # one against two items: p = min(1, 2 * 4 / 8)
    assert REPORT["above_best_single"] is False
    assert REPORT["differences"]["monolith"]["mcnemar_p"] == 0.5  # none against two: 2 * 1 / 4
    assert REPORT["differences"]["base"]["mcnemar_p"] == 0.125  # none against four: 2 / 16
    assert any("not shown to be above the best single" in line for line in REPORT["sentences"])


def test_the_report_is_json_and_repeats_itself() -> None:
    assert json.loads(json.dumps(REPORT)) == REPORT


def test_a_clear_case_is_called_clear() -> None:
    n = 100
    report = release_report(
        groups=["a"] * n + ["b"] * n,
        base=[False] * n + [True] * n,
        experts={"x": [True] * n + [False] * n},
        best_single="x",
        monolith=[False] * (2 * n),
        mosaic=[True] * n + [False] * n,
        routes=["x"] * (2 * n),
        owners={},
    )
    assert report["above_monolith"] is True
    assert report["above_best_single"] is False
    assert report["harmed"] == ["b"]
    assert report["routing_accuracy"] is None
    assert report["priorities"]["a"]["own"] is None
    assert "below the base on these priorities: b" in report["sentences"][-1]


def test_without_a_monolith_nothing_is_said_of_it() -> None:
    report = release_report(
        groups=["a"],
        base=[True],
        experts={},
        best_single="",
        mosaic=[True],
        routes=[None],
        owners={},
    )
    assert report["above_monolith"] is None
    assert not any("monolith" in line for line in report["sentences"])


def test_sequences_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="every sequence"):
        release_report(
            groups=["a", "a"],
            base=[True],
            experts={},
            best_single="",
            mosaic=[True, True],
            routes=[None, None],
            owners={},
        )


def test_the_interval_agrees_with_the_normal_one_on_many_items() -> None:
    right = np.zeros((1000, 1))
    right[:300] = 1
    estimate = Bootstrap(right, ["a"] * 1000).score(0)
    half = 1.96 * sqrt(0.3 * 0.7 / 1000)
    assert (estimate.low, estimate.high) == pytest.approx((0.3 - half, 0.3 + half), abs=0.002)


def test_weights_count_priorities_not_items() -> None:
    right = np.array([[1.0], [0.0], [0.0], [0.0]])
    groups = ["a", "b", "b", "b"]
    assert Bootstrap(right, groups).score(0).score == 0.25
    assert Bootstrap(right, groups, {"a": 1, "b": 1}).score(0).score == 0.5
    assert Bootstrap(right, groups, {"a": 3, "b": 1}).score(0).score == 0.75


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_is_symmetric_and_a_probability(pairs: list[tuple[bool, bool]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    assert mcnemar(one, other) == mcnemar(other, one)
    assert 0 < mcnemar(one, other) <= 1


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("  Oil  Change.", "oil change", True),
        ("STRASSE", "straße", True),
        ("yes!?", "yes", True),
        ("oil changes", "oil change", False),
        ("3.5", "35", False),
        ("", "oil", False),
    ],
)
def test_exact_match(answer: str, reference: str, same: bool) -> None:
    assert exact_match(answer, reference) is same


def test_scores_of_few_items_are_not_called_certain() -> None:
    right = np.array([[1.0]] * 4 + [[0.0]] * 4)
    bootstrap = Bootstrap(right, ["a"] * 4 + ["b"] * 4)
    all_right, overall = bootstrap.score(0, "a"), bootstrap.score(0)
    # Wilson for 4 of 4: 1 / (1 + z^2 / 4).
    assert (all_right.low, all_right.high) == pytest.approx((0.5101, 1.0), abs=1e-4)
    half = (1 - all_right.low) / 2
    assert (overall.low, overall.high) == pytest.approx((0.5 - half, 0.5 + half))
