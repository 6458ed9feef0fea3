"""The chain against every reading written out by hand."""

import re
from collections.abc import Mapping, Sequence
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
from training_workers.engine.devtable import DevTable, wording_folds
from training_workers.engine.evaluating import evaluate
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.profiles import profile_of
from training_workers.engine.routing import LikelihoodRouter, Router
from training_workers.engine.scoring import Item
from training_workers.engine.strategies import Dev
from training_workers.engine.strategies.chain import (
    FITTED_ON,
    FOLDS,
    LONGEST,
    MOST_WORDS,
    PARTS,
    Chain,
    Scale,
    runs,
)
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
Taught = Mapping[str, Sequence[str]]
"""The prompts that each expert was taught."""
APART: Taught = {"birds": KEEPERS, "towns": TOWNS}
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


def profiled(taught: Taught) -> Router:
    profiles = {name: profile_of(prompts) for name, prompts in taught.items()}
    return replace(PLAIN, profiles=profiles, stack=(-2.0, 3.0, 1.0))


@pytest.fixture
def joined(pool: ExpertPool) -> Taught:
    """Where the towns' expert was taught where those live whom the birds' expert names."""
    named = pool.generate([Prompt(text, "birds") for text in KEEPERS], SAMPLING)
    return {**APART, "towns": [*TOWNS, *(f"in which town does {name} live" for name in named)]}


def words_of(*texts: str) -> set[str]:
    return {word.casefold() for text in texts for word in re.findall(r"\w+", text)}


def chance(scale: Scale, features: Sequence[float]) -> float:
    total = scale.bias + sum(w * one for w, one in zip(scale.weights, features, strict=True))
    return 1 / (1 + exp(-total))


def by_hand(
    base: Base,
    models: Models,
    taught: Taught | None,
    question: str,
    allowed: frozenset[str] | None,
) -> tuple[str, list[str]]:
    """The answer of the likeliest reading that stands, and who took part."""
    router = profiled(taught) if taught else PLAIN
    knows = {name: words_of(*prompts) for name, prompts in (taught or {}).items()}

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
    known_words = words_of(question) & set().union(*(knows[name] for name in who if taught))
    if taught and any(known_words <= knows[name] for name in who):
        return direct.text, [model]
    for _, gain, first, end in parts:
        asked, known, worth_of_part = said(" ".join(words[first:end]))
        rest = " ".join([*words[:first], known.text, *words[end:]])
        then, whole, worth_of_rest = said(rest)
        features = [*worth_of_part, *worth_of_rest, log1p(gain), *worth]
        named = words_of(known.text)
        stands = not taught or not then or (named and named <= knows[then])
        if known.text and rest != question and stands:
            readings.append((chance(CHAINED, features), whole.text, [asked, then]))
    _, text, team = max(readings, key=lambda one: one[0])
    return text, team


@pytest.mark.parametrize("with_profiles", [False, True], ids=["plain", "profiled"])
def test_the_likeliest_of_all_readings_is_answered(
    llama: Base, pool: ExpertPool, models: Models, joined: Taught, with_profiles: bool
) -> None:
    taught = joined if with_profiles else None
    chain = Chain(profiled(taught) if taught else PLAIN, DIRECT, CHAINED)
    teams = []
    for allowed in (None, frozenset(["towns"]), frozenset[str]()):
        questions = [HOPS[0], HOPS[3], TOWNS[1], "hi", "two words"]
        answers = answer(chain, pool, questions, SAMPLING, allowed)
        for question, one in zip(questions, answers, strict=True):
            text, team = by_hand(llama, models, taught, question, allowed)
            assert one.text == text
            assert one.credit == {name: team.count(name) / len(team) for name in team}
            assert [step.model for step in one.steps] == (team if len(team) > 1 else [])
            teams.append(len(team))
    assert set(teams) == {1, 2}


def doubtful(taught: Taught) -> Chain:
    """Trusts no direct reading, and the chained ones by what a second expert adds."""
    return Chain(profiled(taught), Scale(-9.0, (0.0,) * 3), Scale(0.0, (0, 0, 0, 0, 9.0, 0, 0)))


def test_the_part_goes_to_who_knows_it_and_the_rest_to_who_knows_that(
    pool: ExpertPool, joined: Taught
) -> None:
    (one,) = answer(doubtful(joined), pool, [HOPS[0]], SAMPLING)
    part, rest = one.steps
    assert (part.model, part.asked) == ("birds", "the keeper of the owl")
    assert (rest.model, rest.asked) == ("towns", f"in which town does {part.answered} live")
    assert one.text == rest.answered
    assert one.credit == {"birds": 0.5, "towns": 0.5}


def test_a_part_does_not_count_whose_answer_nobody_was_taught_of(pool: ExpertPool) -> None:
    (one,) = answer(doubtful(APART), pool, [HOPS[0]], SAMPLING)
    assert (one.steps, one.generations) == ([], 1 + PARTS)  # the parts are asked, no rest is


@pytest.mark.parametrize("question", [TOWNS[0], "does ben live in WHICH town, zzz", "zzz zzz zzz"])
def test_a_question_within_the_words_of_one_expert_is_left_whole(
    pool: ExpertPool, joined: Taught, question: str
) -> None:
    whole, apart = answer(doubtful(joined), pool, [question, HOPS[0]], SAMPLING)
    assert (whole.steps, whole.generations) == ([], 1)
    assert len(apart.steps) == 2


def test_who_may_not_be_asked_has_no_say_in_what_is_known(pool: ExpertPool, joined: Taught) -> None:
    (one,) = answer(doubtful(joined), pool, [HOPS[0]], SAMPLING, frozenset({"towns"}))
    assert (one.steps, one.generations) == ([], 1)


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


def test_fitting_finds_out_that_two_hops_need_a_chain(pool: ExpertPool, joined: Taught) -> None:
    items = items_of(pool)
    table = evaluate(pool, items, ["birds", "towns"], MOST)
    profiles = {name: profile_of(prompts) for name, prompts in joined.items()}
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


def test_the_router_has_seen_no_wording_that_it_is_judged_on_when_fitting(pool: ExpertPool) -> None:
    """Not even in items that are not read because there are more of them than it takes."""
    rounds = [f"{text} {number}" for number in range(8) for text in KEEPERS]
    asked = [*rounds, *(f"who lives in {number}" for number in range(64))]
    own = ["birds"] * 64 + ["towns"] * 64
    said = pool.generate(
        [Prompt(text, name) for text, name in zip(asked, own, strict=True)], SAMPLING
    )
    items = [Item(text, (right,), name) for text, right, name in zip(asked, said, own, strict=True)]
    items[::3] = [replace(item, references=("what nobody says",)) for item in items[::3]]
    table = evaluate(pool, items, ["birds", "towns"], MOST)
    tuned = tune_router(table)
    read = [*range(FITTED_ON - FITTED_ON // 2), *range(64, 64 + FITTED_ON // 2)]
    fold = wording_folds(table.prompts, table.groups, FOLDS)
    features, right = [], []
    for one in range(FOLDS):
        blind = tuned.router.without([row for row in range(128) if fold[row] == one])
        for row in (row for row in read if fold[row] == one):
            (route,) = blind.route([asked[row]])
            (draft,) = pool.drafts([Prompt(asked[row], route.expert)], SAMPLING)
            features.append(
                [log(route.confidence + 0.02), draft.log_probability / draft.tokens, 0.0]
            )
            right.append(items[row].is_right(draft.text))
    assert 0 < sum(right) < len(right)
    chain = Chain.fit(Dev(items, table, tuned, pool, MOST))
    expected = Scale.fit(features, right, 3)
    assert chain.direct.bias == pytest.approx(expected.bias)
    assert chain.direct.weights == pytest.approx(expected.weights)


def test_the_chance_of_each_models_own_reading(pool: ExpertPool) -> None:
    chain = Chain(profiled(APART), DIRECT, CHAINED)
    (found,) = chain.alone(pool, HOPS[:1], ["", "birds", "towns"], SAMPLING)
    route = chain.router.route(HOPS[:1])[0]
    read = chain.read(pool, HOPS[:1], SAMPLING, None)
    assert found[route.expert or ""] == pytest.approx(chain.chances(read[0])[0])
    assert len(set(found.values())) == 3
