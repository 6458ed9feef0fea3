"""Choosing, with experts whose own answers are the right ones."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.engine.conftest import AdapterMaker
from training_workers.engine.bases import Base
from training_workers.engine.composing import FIRST_HEAT, Choice, choose
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import evaluate, new_tokens
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.profiles import profile_of
from training_workers.engine.scoring import Item
from training_workers.engine.strategies import STRATEGIES
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.soup import Soup
from training_workers.engine.strategies.strategy import answer

MOST = 5
CARS = ["fix my car", "the car needs oil", "change the tire of the car", "car engine is broken"]
FOOD = ["bake a cake", "cook some soup", "a recipe for soup", "how to bake bread"]
Probes = tuple[list[Item], DevTable]


@pytest.fixture
def pool(llama: Base, random_adapter: AdapterMaker) -> ExpertPool:
    pool = ExpertPool(llama, remember=True)
    for name in ("cook", "mechanic"):
        pool.add(name, random_adapter(llama, name))
    return pool


def probes(
    pool: ExpertPool, who: Callable[[str, int], str | None], repeat: int = 8, start: int = 0
) -> Probes:
    """`who` says, by group and number, which model's answer is right; nobody's where it is None."""
    items = []
    for number in range(start, start + repeat):
        for group, prompts in (("cars", CARS), ("food", FOOD)):
            for prompt in prompts:
                text = f"{prompt} {number}"
                knows = who(group, number)
                asked = [Prompt(text, knows or None)]
                (right,) = pool.generate(asked, Sampling(max_new_tokens=MOST))
                items.append(Item(text, ("nobody says so" if knows is None else right,), group))
    return items, evaluate(pool, items, sorted(pool.names), MOST)


def divided(group: str, _: int) -> str:
    return {"cars": "mechanic", "food": "cook"}[group]


def names(choice: Choice) -> dict[str, bool]:
    """The candidates, and whether they were given up."""
    return {one.name: one.given_up for one in choice.candidates}


def test_choose_takes_nearest_where_experts_divide_the_work(pool: ExpertPool) -> None:
    fit, select = probes(pool, divided, start=1), probes(pool, divided, start=20)
    told: list[str] = []
    choice = choose(pool, fit, select, {"cars": 1.0, "food": 1.0}, MOST, on_kind=told.append)
    assert told == [kind.name for kind in STRATEGIES] == list(dict.fromkeys(told))
    assert choice.strategy.name == "nearest"
    assert choice.sees == "lexical"
    assert choice.generations == 1
    assert names(choice).keys() == set(told)
    scores = {one.name: one for one in choice.candidates}
    assert scores["nearest"].estimate.score == 1.0
    assert scores["best_single"].estimate.score == pytest.approx(0.5, abs=0.2)
    (route,) = choice.strategy.routes(["fix the car"], None, pool)
    assert route.expert == "mechanic"
    assert isinstance(choice.strategy, Nearest)
    both = choice.strategy.router.table  # fitted anew on all that is known
    assert both.prompts == fit[1].prompts + select[1].prompts
    texts = answer(choice.strategy, pool, both.prompts, Sampling(max_new_tokens=MOST))
    assert all(i.is_right(a.text) for i, a in zip(fit[0] + select[0], texts, strict=True))


def test_a_hopeless_strategy_is_given_up_after_the_first_items(pool: ExpertPool) -> None:
    fit, select = probes(pool, divided, start=1), probes(pool, divided, start=20)
    assert len(select[0]) > FIRST_HEAT
    choice = choose(pool, fit, select, {}, MOST, kinds=[BestSingle, Nearest, Soup])
    (soup,) = [one for one in choice.candidates if one.given_up]
    assert (soup.name, soup.n, soup.harmed) == ("soup", FIRST_HEAT, [])
    assert {one.n for one in choice.candidates if not one.given_up} == {len(select[0])}
    few = probes(pool, divided, repeat=6, start=20)
    assert len(few[0]) == FIRST_HEAT
    choice = choose(pool, fit, few, {}, MOST, kinds=[BestSingle, Nearest, Soup])
    assert not any(names(choice).values())


def test_choose_falls_back_to_best_single_where_routing_gains_nothing(pool: ExpertPool) -> None:
    def cook(_: str, number: int) -> str | None:
        return "cook" if number % 3 else None

    choice = choose(pool, probes(pool, cook), probes(pool, cook, start=20), {}, MOST)
    assert choice.strategy.name == "best_single"
    assert "best_single scores" in choice.why
    assert choice.strategy.routes(["x"], None, pool)[0].expert == "cook"


def test_choose_says_so_when_every_strategy_does_harm(pool: ExpertPool) -> None:
    fit = probes(pool, lambda *_: "cook", start=1)
    select = probes(pool, lambda *_: "", start=20)
    choice = choose(pool, fit, select, {}, MOST, kinds=[BestSingle, Nearest])
    assert choice.strategy.name == "best_single"
    assert [one.harmed for one in choice.candidates] == [["cars", "food"]] * 2
    assert "fallback" in choice.why


def test_a_strategy_that_harms_a_priority_is_out(pool: ExpertPool) -> None:
    def base_drives(group: str, _: int) -> str:
        return {"cars": "", "food": "cook"}[group]

    fit, select = probes(pool, base_drives, start=1), probes(pool, base_drives, start=20)
    choice = choose(
        pool, fit, select, {"cars": 1.0, "food": 3.0}, MOST, kinds=[BestSingle, Nearest]
    )
    assert choice.strategy.name == "nearest"
    assert choice.candidates[0].harmed == ["cars"]
    assert "best_single is out because it is below the base on: cars" in choice.why


def outcome(choice: Choice) -> tuple[object, ...]:
    return choice.strategy.state(), choice.candidates, choice.why, choice.generations


def test_the_same_seed_chooses_the_same(llama: Base, random_adapter: AdapterMaker) -> None:
    outcomes = []
    for _ in range(2):
        pool = ExpertPool(llama)
        for name in ("cook", "mechanic"):
            pool.add(name, random_adapter(llama, name))
        fit, select = (probes(pool, divided, repeat=3, start=start) for start in (1, 20))
        outcomes.append(outcome(choose(pool, fit, select, {}, MOST, seed=5)))
    assert outcomes[0] == outcomes[1]


def profiles() -> Mapping[str, Mapping[str, int]]:
    return {"mechanic": profile_of(CARS), "cook": profile_of([*FOOD, "stir the porridge"])}


def test_profiles_of_all_experts_are_used(pool: ExpertPool) -> None:
    fit, select = probes(pool, divided, 4, 1), probes(pool, divided, 4, 20)
    choice = choose(pool, fit, select, {}, MOST, profiles=profiles(), kinds=[BestSingle, Nearest])
    assert isinstance(choice.strategy, Nearest)
    assert choice.strategy.router.profiles == profiles()
    assert choice.strategy.routes(["stir the porridge"], None, pool)[0].expert == "cook"


def test_evaluate_marks_greedy_answers(pool: ExpertPool) -> None:
    done: list[tuple[int, int]] = []
    items, table = probes(pool, divided, 1)
    again = evaluate(pool, items, ["cook", "mechanic"], MOST, lambda *step: done.append(step))
    assert again == table
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert table.groups == [item.group for item in items]
    for name in table.models:
        texts = pool.generate(
            [Prompt(item.prompt, name or None) for item in items], Sampling(max_new_tokens=MOST)
        )
        assert table.answers[name] == texts
        assert table.correct[name] == [i.is_right(t) for i, t in zip(items, texts, strict=True)]
    assert all(table.correct["mechanic"][:4]) and all(table.correct["cook"][4:])


def lengths(base: Base, references: Sequence[str]) -> int:
    return new_tokens(base, [Item("q", tuple(references), "g")])


def test_an_answer_may_be_a_little_longer_than_the_longest_reference(llama: Base) -> None:
    longest = len(llama.tokenizer("a longer answer than that")["input_ids"])
    found = lengths(llama, ["short", "a longer answer than that"])
    assert longest < found <= 2 * (longest + 4)
    assert lengths(llama, ["word " * 500]) == 64
