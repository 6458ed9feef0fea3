from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_workers.engine.shapley import Reading, item_values, shapley_values

EXPERTS = ["a", "b", "c", "d"]
ALONE = {name: name for name in EXPERTS}


def reading(team: str, score: float, right: bool) -> Reading:
    return Reading(frozenset(team), score, right)


NOTHING = reading("", 0.0, False)

items_of_readings = st.lists(
    st.builds(
        lambda extra, base: [*extra, base],
        st.lists(
            st.builds(
                Reading,
                st.frozensets(st.sampled_from(EXPERTS)),
                st.integers(-2, 2).map(float),
                st.booleans(),
            ),
            max_size=6,
        ),
        st.builds(reading, st.just(""), st.integers(-2, 2).map(float), st.booleans()),
    ),
    min_size=1,
    max_size=5,
)


def worth(items: Sequence[Sequence[Reading]], present: frozenset[str]) -> float:
    """v(S), as its definition says."""
    at_hand = [[one for one in item if one.team <= present] for item in items]
    return sum(max(item, key=lambda one: one.score).right for item in at_hand) / len(items)


def by_hand(items: Sequence[Sequence[Reading]]) -> dict[str, float]:
    """The mean marginal contribution over all orders of joining."""
    values = dict.fromkeys(EXPERTS, 0.0)
    orders = list(permutations(EXPERTS))
    for order in orders:
        for at, name in enumerate(order):
            before = frozenset(order[:at])
            values[name] += worth(items, before | {name}) - worth(items, before)
    return {name: value / len(orders) for name, value in values.items()}


def values(found: dict[str, Any], level: str = "experts") -> dict[str, float]:
    return {name: row["value"] for name, row in found[level].items()}


@settings(max_examples=25, deadline=None)
@given(items_of_readings)
def test_values_are_the_mean_over_all_orders_and_sum_to_what_all_gain(
    items: list[list[Reading]],
) -> None:
    found = shapley_values(items, EXPERTS, ALONE)
    assert values(found) == pytest.approx(by_hand(items), abs=1e-9)
    assert values(found, "owners") == pytest.approx(values(found), abs=1e-9)
    gained = worth(items, frozenset(EXPERTS)) - worth(items, frozenset())
    assert found["all"] - found["nobody"] == pytest.approx(gained)
    assert sum(values(found).values()) == pytest.approx(gained, abs=1e-9)
    assert sum(found["credit"].values()) == pytest.approx(gained, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(items_of_readings, items_of_readings)
def test_items_add_up(one: list[list[Reading]], other: list[list[Reading]]) -> None:
    together = values(shapley_values(one + other, EXPERTS, ALONE))
    first, second = (values(shapley_values(items, EXPERTS, ALONE)) for items in (one, other))
    n, m = len(one), len(other)
    assert together == pytest.approx(
        {name: (n * first[name] + m * second[name]) / (n + m) for name in EXPERTS}, abs=1e-9
    )


def test_an_answer_that_needs_two_gives_each_a_half() -> None:
    found = shapley_values([[reading("ab", 1.0, True), NOTHING]], EXPERTS, ALONE)
    assert values(found) == {"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0}
    assert found["credit"] == {"a": 0.5, "b": 0.5, "c": 0.0, "d": 0.0}
    assert found["exact"] is True


def test_experts_that_do_the_same_earn_the_same_and_a_useless_one_nothing() -> None:
    item = [reading("a", 2.0, True), reading("b", 2.0, True), reading("c", 1.0, False), NOTHING]
    assert values(shapley_values([item], EXPERTS, ALONE)) == {"a": 0.5, "b": 0.5, "c": 0, "d": 0}


def test_who_is_trusted_wrongly_pays() -> None:
    item = [reading("a", 2.0, False), reading("", 1.0, True)]
    found = shapley_values([item], EXPERTS, ALONE)
    assert values(found)["a"] == -1.0
    assert found["credit"]["a"] == -1.0


def test_of_equal_scores_the_first_answers() -> None:
    item = [reading("a", 0.0, True), NOTHING]
    assert values(shapley_values([item], EXPERTS, ALONE))["a"] == 1.0
    assert values(shapley_values([item[::-1]], EXPERTS, ALONE))["a"] == 0.0


def test_clones_of_one_owner_gain_nothing() -> None:
    item = [reading("a", 2.0, True), reading("b", 2.0, True), NOTHING]
    alone = shapley_values([item], ["a", "b"], {"a": "ann", "b": "bob"})
    cloned = shapley_values(
        [[item[0], reading("A", 2.0, True), *item[1:]]],
        ["a", "A", "b"],
        {"a": "ann", "A": "ann", "b": "bob"},
    )
    assert alone["owners"] == cloned["owners"]
    assert values(cloned)["b"] == pytest.approx(1 / 3)
    assert cloned["credit"] == pytest.approx({"a": 0.25, "A": 0.25, "b": 0.5})


def test_an_owner_without_good_experts_splits_equally() -> None:
    item = [reading("ab", 1.0, False), reading("", 0.0, True)]
    found = shapley_values([item], ["a", "b", "c"], {"a": "ann", "b": "ann", "c": "cyd"})
    assert found["credit"] == {"a": -0.5, "b": -0.5, "c": 0.0}


@settings(max_examples=10, deadline=None)
@given(items_of_readings)
def test_orders_come_close_to_subsets_and_lose_nothing(items: list[list[Reading]]) -> None:
    ranked = [
        [*sorted([one for one in item if one.team], key=lambda one: -one.score), NOTHING]
        for item in items
    ]
    exact = item_values(ranked, EXPERTS)
    drawn = item_values(ranked, EXPERTS, exact=0)
    # A marginal contribution lies in [-1, 1]: a standard error of at most 1 / sqrt(2000).
    assert drawn == pytest.approx(exact, abs=5 / np.sqrt(2000))
    assert drawn.sum(axis=1) == pytest.approx(exact.sum(axis=1), abs=1e-9)


def test_a_team_larger_than_can_be_counted_is_shared_by_orders_of_joining() -> None:
    crowd = [f"expert {number}" for number in range(20)]
    item = [Reading(frozenset(crowd), 1.0, True), NOTHING]
    found = shapley_values([item] * 3, crowd, dict.fromkeys(crowd, "all"))
    assert found["exact"] is False
    assert values(found) == pytest.approx(dict.fromkeys(crowd, 1 / 20), abs=0.025)
    assert sum(values(found).values()) == pytest.approx(1.0)
    assert values(found, "owners") == {"all": 1.0}
    assert found == shapley_values([item] * 3, crowd, dict.fromkeys(crowd, "all"))


def test_the_interval_is_that_of_the_mean_over_items() -> None:
    items = [[reading("a", 1.0, at % 2 == 0), NOTHING] for at in range(400)]
    row = shapley_values(items, ["a"], {"a": "ann"}, groups=["x"] * 400)["experts"]["a"]
    half = 1.96 * np.sqrt(0.25 / 400)
    assert (row["low"], row["high"]) == pytest.approx((0.5 - half, 0.5 + half), abs=0.004)
    strata = ["x" if at % 2 == 0 else "y" for at in range(400)]
    row = shapley_values(items, ["a"], {"a": "ann"}, groups=strata)["experts"]["a"]
    assert (row["low"], row["high"]) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(
    ("items", "experts", "owners", "groups", "message"),
    [
        ([], ["a"], {"a": "ann"}, None, "needs items"),
        ([[reading("a", 1.0, True)]], ["a"], {"a": "ann"}, None, "without a team"),
        ([[reading("b", 1.0, True), NOTHING]], ["a"], {"a": "ann"}, None, "Nobody knows"),
        ([[NOTHING]], ["a"], {}, None, "needs an owner"),
        ([[NOTHING]], ["a"], {"a": "ann"}, ["x", "y"], "needs a group"),
    ],
)
def test_bad_games_are_refused(
    items: list[list[Reading]],
    experts: list[str],
    owners: dict[str, str],
    groups: list[str] | None,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        shapley_values(items, experts, owners, groups=groups)


def test_a_loss_is_shared_by_those_who_made_it() -> None:
    """One expert helps once, its sibling spoils three answers of the base."""
    helped = [Reading(frozenset(), 0.1, False), Reading(frozenset({"good"}), 0.9, True)]
    spoilt = [Reading(frozenset(), 0.1, True), Reading(frozenset({"bad"}), 0.9, False)]
    found = shapley_values([helped, *[spoilt] * 3], ["bad", "good"], {"bad": "o", "good": "o"})
    assert found["owners"]["o"]["value"] == pytest.approx(-0.5)
    assert found["credit"] == pytest.approx({"bad": -0.5, "good": 0.0})
