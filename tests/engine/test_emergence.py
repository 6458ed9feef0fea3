import json
from typing import Any

import numpy as np
import pytest

from training_workers.engine.emergence import emergence, regressions, unsolved
from training_workers.engine.resampling import wilson


def test_unsolved_is_what_everybody_fails_every_time() -> None:
    greedy = {"": [True, False, False, False, False], "x": [False, True, False, False, False]}
    draws = {
        "": [[False] * 5, [False, False, True, False, False]],
        "x": [[False, False, False, True, False], [False] * 5],
    }
    assert unsolved(greedy, draws) == [4]


def test_what_nobody_sampled_is_not_called_unsolved() -> None:
    with pytest.raises(ValueError, match="same models"):
        unsolved({"": [False], "x": [False]}, {"": [[False]]})
    with pytest.raises(ValueError, match="needs draws"):
        unsolved({"": [False]}, {"": []})
    with pytest.raises(ValueError, match="a result an item"):
        unsolved({"": [False, False]}, {"": [[False]]})


def on(n: int, solved: int, rival: int, **more: Any) -> dict[str, Any]:
    """A report where the mosaic solves the first of n items, and a rival, always, the last."""
    return emergence(
        groups=["one hop"] * (n // 2) + ["two hops"] * (n - n // 2),
        mosaic=[[at < solved for at in range(n)]] * 3,
        rivals={
            "best_single": [[at >= n - rival for at in range(n)]] * 3,
            "routed": [[False] * n] * 3,
        },
        budget=10,
        total=4 * n,
        **more,
    )


def test_numbers_worked_by_hand() -> None:
    found = on(60, 45, 6)
    assert (found["n"], found["of"], found["seeds"], found["budget"]) == (60, 240, 3, 10)
    assert found["solved"]["score"] == 0.75
    assert (found["solved"]["low"], found["solved"]["high"]) == pytest.approx(wilson(45, 60))
    assert found["rivals"]["best_single"]["solved"]["score"] == pytest.approx(0.1)
    assert found["rivals"]["best_single"]["excess"]["score"] == pytest.approx(0.65)
    assert found["rivals"]["routed"]["excess"]["score"] == 0.75
    assert found["hardest"] == "best_single"
    assert found["excess"] == found["rivals"]["best_single"]["excess"]
    assert 0 < found["excess"]["low"] < 0.65 < found["excess"]["high"]
    assert found["badge"] is True
    assert found["groups"]["one hop"]["solved"]["score"] == 1.0
    assert found["groups"]["two hops"]["n"] == 30
    assert found["groups"]["two hops"]["excess"]["score"] == pytest.approx(15 / 30 - 6 / 30)
    assert json.loads(json.dumps(found)) == found


def test_a_badge_takes_fifty_problems_and_a_clear_excess() -> None:
    assert on(50, 40, 5)["badge"] is True
    assert on(49, 40, 5)["badge"] is False
    assert on(60, 12, 11)["badge"] is False


def test_a_share_is_the_mean_over_seeds_and_more_seeds_do_not_narrow_wilsons_interval() -> None:
    right = [[True, False], [True, True], [True, False], [False, False]]
    found = emergence(groups=["a", "a"], mosaic=right, rivals={"routed": right}, budget=4, total=2)
    assert found["solved"]["score"] == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert (found["solved"]["low"], found["solved"]["high"]) == pytest.approx(wilson(1, 2))
    assert found["excess"]["low"] < found["excess"]["score"] == 0 < found["excess"]["high"]


def test_luck_alone_earns_no_badge() -> None:
    random = np.random.default_rng(0)
    badges = 0
    for _ in range(20):
        chance = random.random(80)
        draw = [(random.random((5, 80)) < chance).tolist() for _ in range(2)]
        badges += emergence(
            groups=["a"] * 80, mosaic=draw[0], rivals={"routed": draw[1]}, budget=4, total=80
        )["badge"]
    assert badges <= 2  # of 20 comparisons of like with like, one in forty is expected


def test_nothing_unsolved_is_nothing_shown() -> None:
    found = emergence(groups=[], mosaic=[[]], rivals={"routed": [[]]}, budget=4, total=9)
    assert (found["n"], found["of"], found["badge"]) == (0, 9, False)
    assert found["solved"] is found["excess"] is found["hardest"] is None


def test_examples_to_read_are_five_at_most() -> None:
    examples = [{"prompt": str(number)} for number in range(8)]
    assert on(4, 2, 1, examples=examples)["examples"] == examples[:5]


def test_tables_of_other_shapes_are_refused() -> None:
    for mosaic, rivals in (
        ([[True]], {"routed": [[True, False]]}),
        ([[True, True]], {"routed": [[True, False]] * 2}),
        ([], {"routed": []}),
    ):
        with pytest.raises(ValueError, match="every item with every seed"):
            emergence(groups=["a", "a"], mosaic=mosaic, rivals=rivals, budget=4, total=2)
    with pytest.raises(ValueError, match="name one"):
        emergence(groups=["a"], mosaic=[[True]], rivals={}, budget=4, total=1)


def test_regressions_are_counted_where_an_own_expert_is_sure() -> None:
    greedy = {"": [True] * 5, "x": [True, True, True, False, True]}
    draws = {"": [[True] * 5], "x": [[True, True, False, True, True]]}
    found = regressions(
        groups=["a", "a", "a", "a", "b"],
        owners={"a": ["x"]},
        greedy=greedy,
        draws=draws,
        mosaic=[True, False, False, False, False],
    )
    # Surely solved are the first two; nobody made an expert for b.
    assert (found["n"], found["of"], found["failed"]) == (2, 5, 1)
    assert found["share"]["score"] == 0.5
    assert (found["share"]["low"], found["share"]["high"]) == pytest.approx(wilson(1, 2))


def test_without_sure_experts_there_is_no_rate_of_regressions() -> None:
    found = regressions(
        groups=["a"], owners={}, greedy={"": [True]}, draws={"": [[True]]}, mosaic=[False]
    )
    assert (found["n"], found["failed"], found["share"]) == (0, 0, None)
    with pytest.raises(ValueError, match="each item"):
        regressions(groups=[], owners={}, greedy={"": [True]}, draws={"": [[True]]}, mosaic=[])
