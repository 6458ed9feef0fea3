import json
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from training_workers.engine import reporting
from training_workers.engine.emergence import emergence, regressions
from training_workers.engine.reporting import CONTROLS, release_report
from training_workers.engine.resampling import Bootstrap, holm, mcnemar, newcombe, wilson
from training_workers.engine.scoring import exact_match
from training_workers.engine.shapley import Reading, shapley_values

SCHEMA = json.loads(Path(reporting.__file__).with_name("report.schema.json").read_text("utf-8"))

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


def test_holm_worked_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(p_values: list[float]) -> None:
    corrected = holm(p_values)
    for p_value, one in zip(p_values, corrected, strict=True):
        assert p_value <= one <= min(1.0, len(p_values) * p_value) or one == max(corrected)
    in_order = [one for _, one in sorted(zip(p_values, corrected, strict=True))]
    assert in_order == sorted(in_order)


def pairs(both: int, only_one: int, only_other: int, neither: int) -> tuple[Any, Any]:
    one = [1.0] * (both + only_one) + [0.0] * (only_other + neither)
    other = [1.0] * both + [0.0] * only_one + [1.0] * only_other + [0.0] * neither
    return np.array(one), np.array(other)


def test_the_interval_of_a_paired_difference() -> None:
    # Both right on 36, either alone on 12 and 2: an example of Newcombe's (1998, method 10).
    estimate = newcombe(*pairs(36, 12, 2, 0))
    assert (estimate.low, estimate.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


@given(*[st.integers(1, 30)] * 4)
def test_the_correlation_is_that_of_the_table_of_counts(
    both: int, only_one: int, only_other: int, neither: int
) -> None:
    n = both + only_one + only_other + neither
    first, second = both + only_one, both + only_other
    product = both * neither - only_one * only_other
    corrected = max(product - n / 2, 0) if product > 0 else product
    phi = corrected / sqrt(first * (n - first) * second * (n - second))
    down = first / n - wilson(first, n)[0]
    up = wilson(second, n)[1] - second / n
    estimate = newcombe(*pairs(both, only_one, only_other, neither))
    reach = sqrt(down**2 - 2 * phi * down * up + up**2)
    assert estimate.low == pytest.approx((first - second) / n - reach, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_a_difference_is_never_certain_and_turns_its_sign_with_its_models(
    results: list[tuple[bool, bool]],
) -> None:
    right = np.array(results, dtype=np.float64)
    estimate, turned = newcombe(right[:, 0], right[:, 1]), newcombe(right[:, 1], right[:, 0])
    assert estimate.low < estimate.score or estimate.score == -1
    assert estimate.high > estimate.score or estimate.score == 1
    assert -1 <= round(estimate.low, 9) <= round(estimate.high, 9) <= 1
    assert (-turned.high, -turned.low) == pytest.approx((estimate.low, estimate.high))


def test_eight_of_eight_against_none_is_clear_and_not_certain() -> None:
    bootstrap = Bootstrap(np.array([[1.0, 0.0]] * 8 + [[1.0, 1.0]] * 8), ["a"] * 8 + ["b"] * 8)
    clear, alike, over_all = (
        bootstrap.difference(0, 1, "a"),
        bootstrap.difference(0, 1, "b"),
        bootstrap.difference(0, 1),
    )
    # Wilson for 8 of 8 reaches down by z^2 / (8 + z^2) = 0.3244, for 0 of 8 as far up.
    assert (clear.low, clear.high) == pytest.approx((1 - 0.3244 * sqrt(2), 1.0), abs=1e-4)
    assert (alike.low, alike.high) == pytest.approx((-0.3244, 0.3244), abs=1e-4)
    assert over_all.low == pytest.approx(0.5 - sqrt(3 * 0.3244**2) / 2, abs=1e-4)
    assert over_all.high == pytest.approx(0.5 + 0.3244 / 2, abs=1e-4)


def test_intervals_of_many_items_are_the_bootstraps() -> None:
    random = np.random.default_rng(3)
    right = (random.random((600, 2)) < [0.6, 0.5]).astype(np.float64)
    estimate = Bootstrap(right, ["a"] * 600).difference(0, 1)
    half = 1.96 * (right[:, 0] - right[:, 1]).std() / sqrt(600)
    assert estimate.low == pytest.approx(estimate.score - half, abs=0.004)
    assert estimate.high == pytest.approx(estimate.score + half, abs=0.004)


def test_relative_gain() -> None:
    right = np.array([[1.0, 1.0, 0.0, 0.0]] * 200 + [[1.0, 0.0, 1.0, 0.0]] + [[0.0] * 4] * 199)
    bootstrap = Bootstrap(right, ["a"] * 400)
    gain = bootstrap.relative_gain(0, 1)
    assert gain is not None and gain["low"] is not None and gain["high"] is not None
    assert gain["score"] == pytest.approx(201 / 200 - 1)
    assert (gain["low"], gain["high"]) == pytest.approx((0, 0.015), abs=0.006)
    assert bootstrap.relative_gain(0, 3) is None
    # The one item of the third model is missing in a third of the resamples.
    unbounded = bootstrap.relative_gain(0, 2)
    assert unbounded is not None
    assert unbounded["score"] == pytest.approx(200)
    assert unbounded["high"] is None


def full_report() -> dict[str, Any]:
    """Everything a report can hold: 60 probes, of which the base and both experts fail 30."""
    n = 60
    groups = ["a"] * 30 + ["b"] * 30
    base, x = [False] * n, [at < 15 for at in range(n)]
    y = [30 <= at < 45 for at in range(n)]
    mosaic = [at != 0 for at in range(n)]
    draws = {"": [base] * 4, "x": [x] * 4, "y": [y] * 4}
    return release_report(
        groups=groups,
        base=base,
        experts={"x": x, "y": y},
        best_single="x",
        mosaic=mosaic,
        routes=["x"] * 30 + ["y"] * 30,
        owners={"a": ["x"], "b": ["y"]},
        monolith=[at % 2 == 0 for at in range(n)],
        controls={name: [at % 3 == 0 for at in range(n)] for name in CONTROLS if name != "general"},
        missing={"general": "no larger model is registered."},
        emergence=emergence(
            groups=["a"] * 15 + ["b"] * 15,
            mosaic=[[True] * 30] * 3,
            rivals={"best_single": [[False] * 30] * 3, "routed": [[False] * 29 + [True]] * 3},
            budget=4,
            total=n,
            examples=[{"prompt": "?", "reference": "!", "answer": "!", "experts": ["x", "y"]}],
        ),
        regressions=regressions(
            groups=groups,
            owners={"a": ["x"], "b": ["y"]},
            greedy={"": base, "x": x, "y": y},
            draws=draws,
            mosaic=mosaic,
        ),
        credit=shapley_values(
            [
                [Reading(frozenset("xy"), 1.0, right), Reading(frozenset(), 0.0, False)]
                for right in mosaic
            ],
            ["x", "y"],
            {"x": "ann", "y": "bob"},
        ),
        inference={"mosaic": 2.5, "best_single": 1.0},
    )


FULL = full_report()


@pytest.mark.parametrize("report", [REPORT, FULL], ids=["short", "full"])
def test_the_schema_describes_every_key(report: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(report)))
    assert report.keys() == SCHEMA["properties"].keys()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["n"], "many"),
        (["scores", "mosaic", "score"], 1.5),
        (["scores", "stranger"], {"score": 0.5, "low": 0.4, "high": 0.6}),
        (["differences", "base", "by_priority", "a", "stranger"], 0.5),
        (["priorities", "a", "stranger"], 0.5),
        (["emergence", "excess"], 0.5),
        (["shapley", "owners", "ann"], {"value": 0.5}),
    ],
)
def test_the_schema_refuses_what_it_does_not_describe(path: list[str], value: object) -> None:
    changed = json.loads(json.dumps(FULL))
    *parents, last = path
    inner = changed
    for key in parents:
        inner = inner[key]
    inner[last] = value
    assert not Draft202012Validator(SCHEMA).is_valid(changed)


def test_every_control_is_compared_overall_and_on_each_priority() -> None:
    assert FULL["differences"].keys() == {
        "best_single",
        "monolith",
        "base",
        *(CONTROLS.keys() - {"general"}),
    }
    rows = FULL["differences"]["monolith"]["by_priority"]
    assert rows["b"]["score"] == pytest.approx(0.5)
    assert rows["b"]["mcnemar_p"] == 2 / 2**15  # the mosaic alone is right on 15, never wrong
    assert rows["a"]["mcnemar_p"] == 2 * 17 / 2**16  # 15 against the item that it fails
    assert [rows["a"]["holm_p"], rows["b"]["holm_p"]] == holm(
        [rows["a"]["mcnemar_p"], rows["b"]["mcnemar_p"]]
    )
    assert FULL["differences"]["monolith"]["relative_gain"]["score"] == pytest.approx(59 / 30 - 1)
    assert FULL["differences"]["base"]["relative_gain"] is None


def test_shapley_credit_stands_beside_what_was_answered() -> None:
    assert FULL["answered"] == {"x": 29 / 60, "y": 30 / 60}
    assert FULL["credit"] == pytest.approx({"x": 59 / 120, "y": 59 / 120})
    assert FULL["shapley"]["credit"] == FULL["credit"]


def test_sentences_say_what_is_missing_and_what_is_not_shown() -> None:
    said = FULL["sentences"]
    assert (
        "Not compared with a larger model without any contributed data: "
        "no larger model is registered." in said
    )
    assert any("monolith with the mosaic's own inference: +" in line for line in said)
    shown = next(line for line in said if "mergence" in line)
    assert shown.startswith("Emergence is not shown: of the 30 probes")
    assert "+96.7 points" in shown and "the routed expert in 4 draws" in shown
    assert shown.endswith("these are too few to show it, it takes 50.")
    assert any("of the 30 probes" in line.lower() and "fails 1: 3.3%" in line for line in said)


ONE: dict[str, Any] = {
    "groups": ["a"],
    "base": [True],
    "experts": {"x": [True]},
    "best_single": "",
    "mosaic": [True],
    "routes": [None],
    "owners": {},
}


def test_emergence_is_said_to_be_shown_only_with_a_badge() -> None:
    def said(n: int) -> str:
        found = emergence(
            groups=["a"] * n,
            mosaic=[[True] * n],
            rivals={"best_single": [[False] * n]},
            budget=4,
            total=100,
        )
        sentences: list[str] = release_report(**ONE, emergence=found)["sentences"]
        return next(line for line in sentences if line.startswith("Emergence"))

    assert said(60).startswith("Emergence is shown: of the 60 probes")
    assert said(60).endswith("against the best single expert in 4 draws.")
    assert said(0).startswith("Emergence is not shown: no probe")


def test_no_regressions_are_claimed_where_none_could_be_seen() -> None:
    found = regressions(
        groups=["a"], owners={}, greedy={"x": [True]}, draws={"x": [[True]]}, mosaic=[True]
    )
    assert any(
        "no regression can be seen" in s
        for s in release_report(**ONE, regressions=found)["sentences"]
    )


def test_controls_are_known_and_given_once() -> None:
    with pytest.raises(ValueError, match="no controls"):
        release_report(**ONE, controls={"oracle": [True]})
    with pytest.raises(ValueError, match="given once"):
        release_report(**ONE, controls={"general": [True]}, missing={"general": "none"})
    with pytest.raises(ValueError, match="every sequence"):
        release_report(**ONE, controls={"general": []})
    with pytest.raises(ValueError, match="Credit must name"):
        release_report(**ONE, credit={"credit": {}})
