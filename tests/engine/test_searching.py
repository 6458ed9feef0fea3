from collections.abc import Mapping
from math import inf, isfinite, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training_workers.engine.searching import L1, Loss, greedy_soup, searched_soup


def bowl(optimum: Mapping[str, float]) -> Loss:
    """The squared distance from `optimum`."""
    return lambda weights: sum((weights[name] - at) ** 2 for name, at in optimum.items())


def curved(n: int, seed: int) -> tuple[dict[str, float], Loss]:
    """A quadratic whose axes are correlated, with its minimum of 0, and the place of it."""
    random = np.random.default_rng(seed)
    form = random.normal(size=(4 * n, n)) / (4 * n) ** 0.5
    optimum = random.normal(size=n) / 2
    names = [f"e{at}" for at in range(n)]

    def loss(weights: Mapping[str, float]) -> float:
        apart = np.array([weights[name] for name in names]) - optimum
        return float(np.square(form @ apart).sum())

    return dict(zip(names, optimum.tolist(), strict=True)), loss


class Counted:
    """A loss that remembers what it was asked."""

    def __init__(self, loss: Loss) -> None:
        self.asked: list[dict[str, float]] = []
        self._loss = loss

    def __call__(self, weights: Mapping[str, float]) -> float:
        self.asked.append(dict(weights))
        return self._loss(weights)


def test_greedy_soup_keeps_what_helps() -> None:
    """Alone: a 0.5, b 0.5, c 1.5. The mean of a and b is the optimum; c would spoil it."""
    loss = Counted(bowl({"a": 0.5, "b": 0.5, "c": 0.0}))
    assert greedy_soup(["c", "a", "b"], loss) == {"c": 0.0, "a": 0.5, "b": 0.5}
    assert len(loss.asked) == 5


def test_greedy_soup_uses_what_is_known() -> None:
    loss = Counted(bowl({"a": 0.5, "b": 0.5, "c": 0.0}))
    alone = {"a": 0.5, "b": 0.5, "c": 1.5}
    assert greedy_soup(["c", "a", "b"], loss, alone) == {"c": 0.0, "a": 0.5, "b": 0.5}
    assert len(loss.asked) == 2


def test_greedy_soup_takes_a_clone_once_and_one_expert_as_it_is() -> None:
    def loss(weights: Mapping[str, float]) -> float:
        return (1 - weights["a"] - weights["clone"]) ** 2

    assert greedy_soup(["clone", "a"], loss) == {"clone": 1.0, "a": 0.0}
    assert greedy_soup(["a"], bowl({"a": 1.0})) == {"a": 1.0}


def test_greedy_soup_leaves_out_an_expert_that_breaks_the_model() -> None:
    def loss(weights: Mapping[str, float]) -> float:
        return nan if weights["broken"] else (weights["a"] - 1) ** 2

    assert greedy_soup(["broken", "a"], loss) == {"broken": 0.0, "a": 1.0}


@pytest.mark.parametrize(("n", "left"), [(3, 0.02), (8, 0.1), (16, 0.3), (32, 0.5)])
def test_the_search_comes_near_the_optimum(n: int, left: float) -> None:
    """Of the loss at the start, at most the share `left` is left after 40 evaluations."""
    for seed in range(3):
        optimum, loss = curved(n, seed)
        counted = Counted(loss)
        start = dict.fromkeys(optimum, 1 / n)
        found = searched_soup(list(optimum), start, counted, 40)
        assert loss(found) < left * loss(start)
        assert counted.asked[0] == start
        assert found in counted.asked
        assert len(counted.asked) <= 40


def test_the_search_pays_for_weights_that_do_nothing() -> None:
    """With the penalty L1 |w| / 2 the optimum of (w - 1)^2 is 1 - L1 / 4; the other is 0."""
    found = searched_soup(["a", "b"], {"a": 0.5, "b": 0.5}, lambda w: (w["a"] - 1) ** 2, 100)
    assert found["a"] == pytest.approx(1 - L1 / 4, abs=1e-2)
    assert found["b"] == pytest.approx(0, abs=1e-2)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 10**6), st.integers(8, 30))
def test_the_search_is_never_worse_than_its_start_and_repeats_itself(
    n: int, seed: int, evaluations: int
) -> None:
    optimum, loss = curved(n, seed)
    names = list(optimum)
    # At the optimum and near it the penalty pulls towards a higher loss.
    start = {name: at + (seed % 2) * 0.01 for name, at in optimum.items()}
    found = searched_soup(names, start, loss, evaluations)
    assert loss(found) <= loss(start)
    assert found == searched_soup(names, start, loss, evaluations)


@pytest.mark.parametrize("broken", [nan, inf])
def test_the_search_walks_around_what_breaks_the_model(broken: float) -> None:
    def loss(weights: Mapping[str, float]) -> float:
        return broken if weights["a"] > 0.6 else (weights["a"] - 0.5) ** 2 + weights["b"] ** 2

    found = searched_soup(["a", "b"], {"a": 0.2}, loss, 30)
    assert loss(found) < 0.01
    hopeless = searched_soup(["a", "b"], {"a": 1.0}, lambda weights: broken, 30)
    assert all(isfinite(weight) for weight in hopeless.values())


def test_nothing_to_weigh_and_too_few_evaluations_are_refused() -> None:
    with pytest.raises(ValueError, match="no experts"):
        greedy_soup([], bowl({}))
    with pytest.raises(ValueError, match="no experts"):
        searched_soup([], {}, bowl({}), 10)
    with pytest.raises(ValueError, match="at least"):
        searched_soup(["a", "b"], {}, bowl({"a": 1, "b": 1}), 3)
