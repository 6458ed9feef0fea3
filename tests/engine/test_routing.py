from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_workers.engine.composing import choose
from training_workers.engine.neighbours import RIDGE, Features
from training_workers.engine.routing import (
    BestSingle,
    DevTable,
    Nearest,
    Strategy,
    load_strategy,
)

CARS = ["fix my car", "the car needs oil", "change the tire of the car", "car engine is broken"]
FOOD = ["bake a cake", "cook some soup", "a recipe for soup", "how to bake bread"]


def table(repeat: int = 1) -> DevTable:
    """Each of two experts is right on its own subject, the base nowhere."""
    prompts = [f"{prompt} {n}" for n in range(repeat) for prompt in CARS + FOOD]
    on_cars = ["car" in prompt for prompt in prompts]
    return DevTable(
        prompts,
        ["cars" if one else "food" for one in on_cars],
        {
            "": [False] * len(prompts),
            "mechanic": on_cars,
            "cook": [not one for one in on_cars],
        },
    )


NEAR = Nearest.fit(table(), k=3)
SINGLE = BestSingle.fit(table(), {"food": 2.0, "cars": 1.0})


def test_nearest_sends_a_prompt_to_who_solved_its_like() -> None:
    route = NEAR.route("my car has no oil")
    assert route.expert == "mechanic"
    assert route.confidence == route.scores["mechanic"] > route.scores["cook"]
    assert route.neighbours[0].prompt == "fix my car 0"
    assert route.neighbours[0].solved_by == ["mechanic"]
    assert route.neighbours[0].group == "cars"
    assert NEAR.route("soup").expert == "cook"


def test_the_score_is_the_weighted_success_shrunk_to_what_the_words_promise() -> None:
    near = Nearest.fit(table(), k=2, pseudo_count=3.0)
    route = near.route("the car needs oil")
    weights = [one.similarity for one in route.neighbours]
    assert len(weights) == 2
    # Ridge regression in its dual form: mean + k(x) (K + RIDGE)^-1 (y - mean).
    features = Features(near.table.prompts)
    known = features.of(near.table.prompts)
    kernel = (known @ known.T).toarray() + RIDGE * np.eye(len(near.table.prompts))
    asked = (features.of(["the car needs oil"]) @ known.T).toarray()[0]
    right = np.array(near.table.correct["mechanic"], dtype=float)
    promised = 0.5 + asked @ np.linalg.solve(kernel, right - 0.5)
    assert 0.5 < promised < 1
    total = sum(weights) + 3.0
    assert route.scores["mechanic"] == pytest.approx((sum(weights) + 3.0 * promised) / total)
    assert route.scores["cook"] == pytest.approx(3.0 * (1 - promised) / total)


def test_a_prompt_like_no_other_has_the_mean_scores_and_no_neighbours() -> None:
    route = NEAR.route("zzz")
    assert route.neighbours == []
    assert route.scores == pytest.approx({"": 0.0, "cook": 0.5, "mechanic": 0.5})


def test_the_base_answers_where_no_expert_beats_it_by_the_margin() -> None:
    assert Nearest.fit(table(), k=3, margin=1.0).route("fix my car").expert is None
    base_knows = DevTable(CARS, ["cars"] * 4, {"": [True] * 4, "cook": [True] * 4})
    route = Nearest.fit(base_knows).route("fix my car")
    assert route.expert is None
    assert "No expert did better than the base" in route.reason


def test_best_single_weighs_priorities() -> None:
    assert SINGLE.route("fix my car").expert == "cook"
    assert BestSingle.fit(table(), {"cars": 1.0}).route("soup").expert == "mechanic"
    assert SINGLE.scores == pytest.approx({"": 0.0, "cook": 2 / 3, "mechanic": 1 / 3})


PROMPTS = st.lists(
    st.sampled_from(["my", "car", "soup", "bake", "the", "tire", "oil", "cake", "please", "zzz"]),
    max_size=6,
).map(" ".join)
SUBSETS = st.frozensets(st.sampled_from(["mechanic", "cook", "stranger"]))


@pytest.mark.parametrize("strategy", [NEAR, SINGLE])
@given(prompt=PROMPTS, allowed=SUBSETS)
def test_leaving_experts_out_changes_nothing_for_the_others(
    strategy: Strategy, prompt: str, allowed: frozenset[str]
) -> None:
    free, bound = strategy.route(prompt), strategy.route(prompt, allowed)
    assert bound.expert is None or bound.expert in allowed
    assert bound.scores == {name: free.scores[name] for name in bound.scores}
    if free.expert is None or free.expert in allowed:
        assert bound.expert == free.expert


@pytest.mark.parametrize("strategy", [NEAR, SINGLE])
def test_a_saved_strategy_routes_as_before(strategy: Strategy, tmp_path: Path) -> None:
    strategy.save(tmp_path)
    loaded = load_strategy(tmp_path)
    prompts = [*CARS, "something else", "", "."]
    assert loaded.route_many(prompts) == strategy.route_many(prompts)
    assert [loaded.route(one) for one in prompts] == loaded.route_many(prompts)


def test_an_unknown_strategy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "strategy.json").write_text('{"name": "oracle"}')
    with pytest.raises(ValueError, match="oracle"):
        load_strategy(tmp_path)


def test_a_table_must_be_whole() -> None:
    with pytest.raises(ValueError, match="base"):
        DevTable(["a"], ["g"], {"e": [True]})
    with pytest.raises(ValueError, match="each of them"):
        DevTable(["a"], ["g"], {"": [True, False]})


def test_choose_takes_nearest_where_experts_divide_the_work() -> None:
    choice = choose(table(10), table(10), {"cars": 1.0, "food": 1.0})
    assert choice.strategy.name == "nearest"
    assert [one.name for one in choice.candidates] == ["best_single", "nearest"]
    assert choice.candidates[1].estimate.score == 1.0
    assert choice.strategy.route("fix the car").expert == "mechanic"


def test_choose_falls_back_to_best_single_where_routing_gains_nothing() -> None:
    both = table(10)
    alike = DevTable(
        both.prompts, both.groups, {name: [n % 3 > 0 for n in range(80)] for name in ("a", "b", "")}
    )
    choice = choose(alike, alike, {})
    assert choice.strategy.name == "best_single"
    assert "best_single scores" in choice.why


def test_choose_says_so_when_every_strategy_does_harm() -> None:
    fit, n = table(10), 80
    experts_win = {"": [False] * n, "cook": [True] * n}
    base_wins = {"": [True] * n, "cook": [False] * n}
    choice = choose(
        DevTable(fit.prompts, fit.groups, experts_win),
        DevTable(fit.prompts, fit.groups, base_wins),
        {},
    )
    assert choice.strategy.name == "best_single"
    assert choice.candidates[0].harmed == ["cars", "food"]
    assert "fallback" in choice.why


def test_a_strategy_that_harms_a_priority_is_out() -> None:
    fit = table(10)
    on_cars = [group == "cars" for group in fit.groups]
    correct = {"": on_cars, "cook": [not one for one in on_cars]}
    choice = choose(
        DevTable(fit.prompts, fit.groups, correct),
        DevTable(fit.prompts, fit.groups, correct),
        {"cars": 1.0, "food": 3.0},
    )
    assert choice.strategy.name == "nearest"
    assert choice.candidates[0].harmed == ["cars"]
    assert "best_single is out because it is below the base on: cars" in choice.why
