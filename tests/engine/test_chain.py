"""The chain against every reading written out by hand."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import exp, log, log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conftest import AdapterMaker
from tests.engine.plain import Models, Said, ask, peft_models
from training_workers.engine.bases import Base
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import evaluate
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.profiles import profile_of
from training_workers.engine.routing import LikelihoodRouter, Router
from training_workers.engine.scoring import Item
from training_workers.engine.strategies import Dev
from training_workers.engine.strategies.chain import LONGEST, MOST_WORDS, PARTS, Chain, Scale, runs
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.strategy import answer
from training_workers.engine.tuning import tune_router

MOST = 5
SAMPLING = Sampling(max_new_tokens=MOST)
ANIMALS = ["owl", "crow", "fox", "bear", "wolf", "swan", "hare", "mole"]
KEEPERS = [f"the keeper of the {animal}" for animal in ANIMALS]
TOWNS = [f"in which town does {name} live" for name in ["anna", "ben", "carla", "dora"] * 2]
HOPS = [f"in which town does {keeper} live" for keeper in KEEPERS]
TABLE = DevTable(
    [*KEEPERS, *TOWNS],
    ["birds"] * 8 + ["towns"] * 8,
    {"": [False] * 16, "birds": [True] * 8 + [False] * 8, "towns": [False] * 8 + [True] * 8},
)
PLAIN = Router(TABLE, k=3, pseudo_count=2.0)
PROFILED = replace(
    PLAIN,
    profiles={"birds": profile_of(KEEPERS), "towns": profile_of(TOWNS)},
    stack=(-2.0, 3.0, 1.0),
)
DIRECT = Scale(-1.0, (0.3, 0.2, -0.1))
CHAINED = Scale(3.0, (0.5, 0.3, 0.5, 0.3, 0.2, -0.1, 0.1))


@pytest.fixture
def pool(llama: Base, random_adapter: AdapterMaker) -> ExpertPool:
    pool = ExpertPool(llama, remember=True)
    for name in ("birds", "towns"):
        pool.add(name, random_adapter(llama, name))
    return pool


@pytest.fixture
def models(llama: Base, random_adapter: AdapterMaker) -> Models:
    return peft_models(llama, {name: random_adapter(llama, name) for name in ("birds", "towns")})


def chance(scale: Scale, features: Sequence[float]) -> float:
    total = scale.bias + sum(w * one for w, one in zip(scale.weights, features, strict=True))
    return 1 / (1 + exp(-total))


def by_hand(
    base: Base, models: Models, router: Router, question: str, allowed: frozenset[str] | None
) -> tuple[str, list[str]]:
    """The answer of the likeliest reading, and who took part."""

    def said(text: str) -> tuple[str, Said, tuple[float, float]]:
        (route,) = router.route([text], allowed)
        one = ask(base, models[route.expert or ""], text, MOST)
        worth = log(route.confidence + 0.02), one.log_probability / len(one.tokens)
        return route.expert or "", one, worth

    words = question.split()
    who = [name for name in router.table.experts if allowed is None or name in allowed]
    parts = []
    for first in range(len(words)):
        for end in range(first + 2, min(first + LONGEST, len(words)) + 1):
            if end - first == len(words):
                continue
            part = " ".join(words[first:end])
            trust, gain = max(router.route([part], allowed)[0].scores.values()), 0.0
            if router.profiled is not None:
                columns = [router.table.experts.index(name) for name in who]
                (trust,), (gain,) = router.profiled.two_sources(
                    question, np.array([[first, end]]), columns
                )
            parts.append((trust, gain, first, end))
    parts = sorted(parts, key=lambda one: -one[0])[:PARTS]
    model, direct, worth = said(question)
    best_gain = max((gain for _, gain, _, _ in parts), default=0.0)
    readings = [(chance(DIRECT, [*worth, log1p(best_gain)]), direct.text, [model])]
    for _, gain, first, end in parts:
        asked, known, worth_of_part = said(" ".join(words[first:end]))
        rest = " ".join([*words[:first], known.text, *words[end:]])
        then, whole, worth_of_rest = said(rest)
        features = [*worth_of_part, *worth_of_rest, log1p(gain), *worth]
        if known.text and rest != question:
            readings.append((chance(CHAINED, features), whole.text, [asked, then]))
    _, text, team = max(readings, key=lambda one: one[0])
    return text, team


@pytest.mark.parametrize("router", [PLAIN, PROFILED], ids=["plain", "profiled"])
def test_the_likeliest_of_all_readings_is_answered(
    llama: Base, pool: ExpertPool, models: Models, router: Router
) -> None:
    chain = Chain(router, DIRECT, CHAINED)
    teams = []
    for allowed in (None, frozenset(["towns"]), frozenset[str]()):
        questions = [HOPS[0], HOPS[3], TOWNS[1], "hi", "two words"]
        answers = answer(chain, pool, questions, SAMPLING, allowed)
        for question, one in zip(questions, answers, strict=True):
            text, team = by_hand(llama, models, router, question, allowed)
            assert one.text == text
            assert one.credit == {name: team.count(name) / len(team) for name in team}
            assert [step.model for step in one.steps] == (team if len(team) > 1 else [])
            teams.append(len(team))
    assert set(teams) == {1, 2}


def test_the_part_goes_to_who_knows_it_and_the_rest_to_who_knows_that(pool: ExpertPool) -> None:
    chain = Chain(PROFILED, Scale(-9.0, (0.0,) * 3), Scale(0.0, (0, 0, 0, 0, 9.0, 0, 0)))
    (one,) = answer(chain, pool, [HOPS[0]], SAMPLING)
    part, rest = one.steps
    assert (part.model, part.asked) == ("birds", "the keeper of the owl")
    assert (rest.model, rest.asked) == ("towns", f"in which town does {part.answered} live")
    assert one.text == rest.answered
    assert one.credit == {"birds": 0.5, "towns": 0.5}


def test_a_sure_direct_reading_is_not_taken_apart(pool: ExpertPool) -> None:
    sure = Chain(PLAIN, Scale(3.0, (0.0,) * 3), Scale(9.0, (0.0,) * 7), bar=0.9)
    answers = answer(sure, pool, HOPS, SAMPLING)
    assert [one.text for one in answers] == [
        one.text for one in answer(Nearest(PLAIN), pool, HOPS, SAMPLING)
    ]
    assert all(one.generations == 1 and not one.steps for one in answers)
    unsure = answer(replace(sure, bar=1.01), pool, HOPS, SAMPLING)
    assert all(one.generations > 1 and len(one.steps) == 2 for one in unsure)


def test_a_chain_works_with_a_router_that_sees_likelihoods(pool: ExpertPool) -> None:
    chain = Chain(LikelihoodRouter(TABLE), Scale(-9.0, (0.0,) * 3), CHAINED)
    (one,) = answer(chain, pool, ["who keeps owls"], SAMPLING)
    assert len(one.steps) == 2


@given(st.text(st.sampled_from("ab ,-İ"), max_size=60))
def test_all_runs_of_words_but_the_whole(question: str) -> None:
    words, found = runs(question)
    assert all(question[start:end].isalnum() for start, end in words)
    assert all(end < start for (_, end), (start, _) in pairwise(words)) or len(words) < 2
    expected = [
        (first, end)
        for first in range(len(words))
        for end in range(len(words) + 1)
        if 2 <= end - first <= LONGEST and end - first < len(words) <= MOST_WORDS
    ]
    assert found.tolist() == [list(run) for run in expected]


def test_a_scale_is_a_logistic_regression() -> None:
    scale = Scale.fit(
        [[0.0, 5.0], [1.0, 5.0], [2.0, 5.0], [3.0, 5.0]], [False, False, True, True], 2
    )
    assert scale.of([0.0, 5.0]) < 0.5 < scale.of([3.0, 5.0])
    assert scale.of([1.5, 5.0]) == pytest.approx(0.5, abs=1e-3)
    always = Scale.fit([[1.0], [2.0]], [True, True], 1)
    assert always.of([7.0]) == pytest.approx(2.5 / 3)
    assert Scale.fit([], [], 1).of([1.0]) == pytest.approx(0.5)


def items_of(pool: ExpertPool) -> list[Item]:
    """One-hop items are right as their expert answers them, two-hop ones as the chain does."""
    found = []
    for name, prompts in (("birds", KEEPERS), ("towns", TOWNS[:4])):
        for text, right in zip(
            prompts, pool.generate([Prompt(t, name) for t in prompts], SAMPLING), strict=True
        ):
            found.append(Item(text, (right,), name))
            if name == "birds":
                hop = f"in which town does {right} live"
                (town,) = pool.generate([Prompt(hop, "towns")], SAMPLING)
                found.append(Item(f"in which town does {text} live", (town,), "hops"))
                found.append(Item(hop, (town,), "towns"))
    return found


def test_fitting_finds_out_that_two_hops_need_a_chain(pool: ExpertPool) -> None:
    items = items_of(pool)
    table = evaluate(pool, items, ["birds", "towns"], MOST)
    profiles = {"birds": profile_of(KEEPERS), "towns": profile_of(TOWNS)}
    dev = Dev(items, table, tune_router(table, profiles=profiles), pool, MOST)
    chain, nearest = Chain.fit(dev), Nearest.fit(dev)
    assert chain == Chain.fit(dev)
    solved = {}
    for strategy in (chain, nearest):
        answers = answer(strategy, pool, [item.prompt for item in items], SAMPLING)
        right = [item.is_right(one.text) for item, one in zip(items, answers, strict=True)]
        for group in ("hops", "birds", "towns"):
            of = [one for one, item in zip(right, items, strict=True) if item.group == group]
            solved[strategy.name, group] = sum(of) / len(of)
    assert solved["chain", "hops"] > solved["nearest", "hops"] + 0.3
    assert solved["chain", "birds"] >= 0.8
    assert solved["chain", "towns"] >= 0.8


def test_the_chance_of_each_models_own_reading(pool: ExpertPool) -> None:
    chain = Chain(PROFILED, DIRECT, CHAINED)
    (found,) = chain.alone(pool, HOPS[:1], ["", "birds", "towns"], SAMPLING)
    route = PROFILED.route(HOPS[:1])[0]
    read = chain.read(pool, HOPS[:1], SAMPLING, None)
    assert found[route.expert or ""] == pytest.approx(chain.chances(read[0])[0])
    assert len(set(found.values())) == 3
