"""A composed model measured against real controls, on experts that each know their own subject.

Random adapters answer nothing sensible; what one of them answers to its own questions is called
right, so that routing to it is what there is to learn.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.engine.conftest import AdapterMaker
from training_workers.engine import reporting
from training_workers.engine.bases import Base
from training_workers.engine.composing import choose
from training_workers.engine.evaluating import evaluate
from training_workers.engine.measuring import Rivals, Subject, chained_monolith, measure
from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import Item
from training_workers.engine.strategies import Dev, Strategy
from training_workers.engine.strategies.chain import Chain
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.strategy import answer
from training_workers.engine.tuning import tune_router

LIMIT = 6
SUBJECTS = {"red": "ball car hat shoe", "blue": "sea sky lake rain"}
SCHEMA = json.loads(Path(reporting.__file__).with_name("report.schema.json").read_text())


@pytest.fixture
def pool(llama: Base, random_adapter: AdapterMaker) -> ExpertPool:
    pool = ExpertPool(llama, remember=True)
    for name in SUBJECTS:
        pool.add(name, random_adapter(llama, name))
    return pool


def items(pool: ExpertPool, wording: str) -> list[Item]:
    asked = [
        (name, wording.format(thing, n))
        for name, things in SUBJECTS.items()
        for thing in things.split()
        for n in range(3)
    ]
    texts = pool.generate([Prompt(text, name) for name, text in asked], Sampling(LIMIT))
    return [Item(text, (answer,), name) for (name, text), answer in zip(asked, texts, strict=True)]


def subject(pool: ExpertPool, kind: type[Strategy]) -> Subject:
    fit = items(pool, "where is the {} number {}")
    test = items(pool, "tell me of the {} number {}")
    table = evaluate(pool, fit, list(SUBJECTS), LIMIT)
    dev = Dev(fit, table, tune_router(table), pool, LIMIT)
    return Subject(
        kind.fit(dev),
        pool,
        test,
        evaluate(pool, test, list(SUBJECTS), LIMIT),
        dev,
        owners={name: [name] for name in SUBJECTS},
        contributors={name: f"owner of {name}" for name in SUBJECTS},
    )


def report(pool: ExpertPool, kind: type[Strategy]) -> dict[str, Any]:
    # The control is one of the experts under another name.
    rivals = Rivals({"monolith": pool.adapters["red"]}, missing={"general": "None is registered."})
    return measure(subject(pool, kind), rivals, draws=2, seed=3)


def test_a_report_of_a_routed_mosaic(pool: ExpertPool) -> None:
    found = report(pool, Nearest)
    jsonschema.validate(found, SCHEMA)
    assert found["scores"]["mosaic"]["score"] > 0.9
    assert found["scores"]["best_single"]["score"] <= 0.6
    assert found["scores"]["monolith"]["score"] <= 0.6
    assert found["missing"]["general"] == "None is registered."
    assert "one generation" in found["missing"]["monolith_resampled"]
    assert found["inference"] == {"mosaic": 1.0}
    # Whoever answers what: the credit is what routing gains over the base.
    gained = found["scores"]["mosaic"]["score"] - found["scores"]["base"]["score"]
    assert sum(found["shapley"]["experts"][name]["value"] for name in SUBJECTS) == pytest.approx(
        gained, abs=1e-6
    )
    assert found["emergence"]["badge"] is False
    assert found["regressions"]["failed"] <= found["regressions"]["n"]
    assert json.loads(json.dumps(found)) == found


def test_a_chain_is_compared_with_the_monolith_that_chains(pool: ExpertPool) -> None:
    found = report(pool, Chain)
    jsonschema.validate(found, SCHEMA)
    assert "monolith_chained" in found["scores"]
    assert found["inference"]["mosaic"] >= 1.0


def test_the_same_seed_gives_the_same_report(pool: ExpertPool) -> None:
    assert report(pool, Nearest) == report(pool, Nearest)


def test_the_chained_monolith_answers_in_the_place_of_every_expert(pool: ExpertPool) -> None:
    """With an expert as the monolith it solves what that expert solves, and no more."""
    chained = subject(pool, Chain)
    alone = chained.table.correct["red"]
    chain = replace(Chain.fit(chained.dev), bar=0.0)  # never in parts
    right = chained_monolith(replace(chained, strategy=chain), pool.adapters["red"])
    assert sum(right) <= sum(alone) + 3


def test_examples_are_taken_from_items_that_may_be_shown(pool: ExpertPool) -> None:
    """With a chain that answers in parts whatever it is asked, something is solved together."""
    one = subject(pool, Chain)
    together = replace(Chain.fit(one.dev), bar=2.0)
    prompts = [f"what of the ball in the sea number {n}" for n in range(12)]
    found = answer(together, pool, prompts, Sampling(LIMIT))
    shown = [Item(text, (said.text,), "red") for text, said in zip(prompts, found, strict=True)]
    table = evaluate(pool, shown, list(SUBJECTS), LIMIT)
    report = measure(replace(one, strategy=together), Rivals({}), draws=1, shown=(shown, table))[
        "emergence"
    ]
    unsolved = [
        p for n, p in enumerate(prompts) if not any(table.correct[m][n] for m in ("", *SUBJECTS))
    ]
    assert {example["prompt"] for example in report["examples"]} <= set(unsolved)
    assert len(report["examples"]) == min(5, len(unsolved))
    assert measure(one, Rivals({}), draws=1)["emergence"]["examples"] == []


def test_a_choice_feeds_the_measurement(pool: ExpertPool) -> None:
    one = subject(pool, Nearest)
    select = items(pool, "what about the {} number {}")
    table = evaluate(pool, select, list(SUBJECTS), LIMIT)
    choice = choose(pool, (one.dev.items, one.dev.table), (select, table), {}, LIMIT)
    assert choice.strategy.name == "nearest"
    assert measure(replace(one, strategy=choice.strategy), Rivals({}), draws=1)["scores"]
