"""Measuring a composed model on items that nothing was fitted on, against its controls."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from training_workers.engine.adapters import Adapter
from training_workers.engine.bases import Base
from training_workers.engine.crediting import EXACT, readings
from training_workers.engine.devtable import DevTable
from training_workers.engine.emergence import EXAMPLES, emergence, regressions, unsolved
from training_workers.engine.evaluating import evaluate
from training_workers.engine.pool import BASE, ExpertPool, Prompt, Sampling
from training_workers.engine.reporting import CONTROLS, release_report
from training_workers.engine.scoring import Item, marked, normalised, scored
from training_workers.engine.shapley import shapley_values
from training_workers.engine.strategies import Answer, Dev, Strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.chain import Chain
from training_workers.engine.strategies.strategy import answer, settle

DRAWS = 4
"""Sampled answers, beside the greedy one, before a model is said to fail an item."""
FRESH_SEEDS = 3
TEMPERATURE = 0.7
FIRST_FRESH = 1000
"""Seeds from here on have no part in calling an item unsolved."""
MONOLITH = "monolith"


@dataclass(frozen=True)
class Subject:
    """A composed model and what it is measured on.

    `table` has the base's and every expert's answers to `items`, `dev` what the strategy was
    chosen on. `owners` names the experts made for each group, `contributors` whose each expert is.
    """

    strategy: Strategy
    pool: ExpertPool
    items: Sequence[Item]
    table: DevTable
    dev: Dev
    owners: Mapping[str, Sequence[str]]
    contributors: Mapping[str, str]


@dataclass(frozen=True)
class Rivals:
    """Controls: adapters on the same base by name (`monolith`, `monolith_wide`, `sequential`), a
    larger general model, and why others are not there."""

    adapters: Mapping[str, Adapter]
    general: Base | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


def measure(
    subject: Subject,
    rivals: Rivals,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    shown: tuple[Sequence[Item], DevTable] | None = None,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> dict[str, Any]:
    """The release report (see `report.schema.json`): scores, comparisons, emergence, credit.

    Examples to read are taken from `shown`, other items with the experts' answers, so that whoever
    reads them learns nothing of the sealed ones; there are none without it.
    """
    table, items, pool = subject.table, subject.items, subject.pool
    limit = subject.dev.max_new_tokens
    greedy = Sampling(max_new_tokens=limit)
    on_phase("answering with the composed model")
    answers = answer(subject.strategy, pool, table.prompts, greedy)
    settle(answers)
    texts = [one.text for one in answers]
    mosaic = scored(items, texts)
    alone = {name: scored(items, table.answers[name]) for name in table.models}
    single = BestSingle.of_table(subject.dev.table, dict(subject.dev.weights)).best()
    inference = sum(one.generations for one in answers) / len(answers)
    budget = max(1, round(inference))
    on_phase("answering with the controls")
    controls, missing = _controls(subject, rivals, single, budget, seed)
    on_phase("looking for emergence")
    emerged, regressed = _emergence(subject, marked(items, texts), single, budget, draws, seed)
    emerged["examples"] = _examples(subject, *shown)[:EXAMPLES] if shown else []
    on_phase("dividing the credit")
    credit = shapley_values(
        readings(subject.strategy, pool, items, table, greedy),
        table.experts,
        subject.contributors,
        seed=seed,
        groups=table.groups,
    )
    monolith = controls.pop(MONOLITH, None)
    report = release_report(
        groups=table.groups,
        base=alone.pop(BASE),
        experts=alone,
        best_single=single,
        mosaic=mosaic,
        routes=[_most_owed(one) for one in answers],
        owners=subject.owners,
        monolith=monolith,
        controls=controls,
        missing=missing,
        weights=subject.dev.weights or None,
        emergence=emerged,
        regressions=regressed,
        credit={**credit, "approximate": subject.strategy.name not in EXACT},
        inference={"mosaic": inference},
        seed=seed,
    )
    return report


def _most_owed(one: Answer) -> str | None:
    return max(one.credit, key=lambda name: one.credit[name]) or None


def _controls(
    subject: Subject, rivals: Rivals, single: str, budget: int, seed: int
) -> tuple[dict[str, list[float]], dict[str, str]]:
    items, limit = subject.items, subject.dev.max_new_tokens
    missing = dict(rivals.missing)
    found: dict[str, list[float]] = {}
    pool = ExpertPool(subject.pool.base)
    for name, adapter in rivals.adapters.items():
        pool.hold(name, adapter)
    table = evaluate(pool, items, list(rivals.adapters), limit) if rivals.adapters else None
    for name in rivals.adapters:
        assert table is not None
        found[name] = scored(items, table.answers[name])
    if rivals.general is not None:
        table = evaluate(ExpertPool(rivals.general), items, [], limit)
        found["general"] = scored(items, table.answers[BASE])
    if budget == 1:
        why = "The mosaic answers with one generation, as the direct comparison does."
        missing |= dict.fromkeys(("best_single_resampled", "monolith_resampled"), why)
    else:
        found["best_single_resampled"] = _majority(
            subject.pool, single or None, items, budget, limit, seed
        )
        if MONOLITH in rivals.adapters:
            found["monolith_resampled"] = _majority(pool, MONOLITH, items, budget, limit, seed)
    if not isinstance(subject.strategy, Chain):
        missing["monolith_chained"] = "The mosaic asks no question in parts."
    elif MONOLITH in rivals.adapters:
        found["monolith_chained"] = chained_monolith(subject, rivals.adapters[MONOLITH])
    for name in CONTROLS.keys() - found.keys() - missing.keys():
        missing[name] = "It was not trained."
    return found, missing


def chained_monolith(subject: Subject, monolith: Adapter) -> list[float]:
    """What the pooled monolith solves with the mosaic's own inference.

    It is given all that the mosaic has: the same router and profiles choose the parts of a
    question, and it answers in the place of every expert; what its readings are worth is fitted on
    the same dev items with its own answers.
    """
    pool = ExpertPool(subject.pool.base, remember=True)
    for name in subject.table.experts:
        pool.hold(name, monolith)
    chain = Chain.fit(replace(subject.dev, pool=pool))
    sampling = Sampling(max_new_tokens=subject.dev.max_new_tokens)
    answers = answer(chain, pool, subject.table.prompts, sampling)
    return scored(subject.items, [one.text for one in answers])


def _draws(
    pool: ExpertPool, model: str | None, prompts: Sequence[str], count: int, limit: int, seed: int
) -> list[list[str]]:
    """`count` sampled answers to each prompt: (draws, prompts)."""
    return [
        pool.generate(
            [Prompt(text, model) for text in prompts], Sampling(limit, TEMPERATURE, seed + draw)
        )
        for draw in range(count)
    ]


def _majority(
    pool: ExpertPool, model: str | None, items: Sequence[Item], count: int, limit: int, seed: int
) -> list[float]:
    """Self-consistency (Wang et al. 2023): the most frequent of `count` sampled answers."""
    drawn = _draws(pool, model, [item.prompt for item in items], count, limit, seed)
    texts = []
    for given in zip(*drawn, strict=True):
        most = Counter(map(normalised, given)).most_common(1)[0][0]
        texts.append(next(text for text in given if normalised(text) == most))
    return scored(items, texts)


def _emergence(
    subject: Subject, mosaic: Sequence[bool], single: str, budget: int, draws: int, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    items, table, pool = subject.items, subject.table, subject.pool
    limit = subject.dev.max_new_tokens
    failed = [
        row for row in range(len(items)) if not any(table.correct[m][row] for m in table.models)
    ]
    prompts = [items[row].prompt for row in failed]
    part = [items[row] for row in failed]
    drawn = {
        name: [
            marked(part, texts) for texts in _draws(pool, name or None, prompts, draws, limit, seed)
        ]
        for name in table.models
    }
    alone = {name: [table.correct[name][row] for row in failed] for name in table.models}
    rows = [failed[at] for at in unsolved(alone, drawn)] if failed else []
    part = [items[row] for row in rows]
    prompts = [item.prompt for item in part]
    fresh = [
        answer(
            subject.strategy,
            pool,
            prompts,
            Sampling(limit, TEMPERATURE, FIRST_FRESH + seed + number),
        )
        if rows
        else []
        for number in range(FRESH_SEEDS)
    ]
    routed = [route.expert for route in _routes(subject, prompts)]
    report = emergence(
        groups=[item.group for item in part],
        mosaic=[marked(part, [one.text for one in answers]) for answers in fresh],
        rivals={
            "best_single": _any_of(pool, [single or None] * len(part), part, budget, limit, seed),
            "routed": _any_of(pool, routed, part, budget, limit, seed),
        },
        budget=budget,
        total=len(items),
        seed=seed,
    )
    return report, _regressions(subject, mosaic, draws, seed)


def _routes(subject: Subject, prompts: Sequence[str]) -> list[Any]:
    """Whom the router alone would have sent the prompts to."""
    return subject.dev.tuned.router.on(subject.dev.table).route(prompts, None, subject.pool)


def _any_of(
    pool: ExpertPool,
    models: Sequence[str | None],
    items: Sequence[Item],
    budget: int,
    limit: int,
    seed: int,
) -> list[list[bool]]:
    """Whether any of `budget` draws is right, for each fresh seed: (seeds, items)."""
    found = []
    for number in range(FRESH_SEEDS):
        right = [False] * len(items)
        for draw in range(budget):
            sampling = Sampling(
                limit, TEMPERATURE, FIRST_FRESH + seed + number + FRESH_SEEDS * (draw + 1)
            )
            prompts = [Prompt(item.prompt, m) for item, m in zip(items, models, strict=True)]
            texts = pool.generate(prompts, sampling)
            right = [one or new for one, new in zip(right, marked(items, texts), strict=True)]
        found.append(right)
    return found


def _examples(subject: Subject, items: Sequence[Item], table: DevTable) -> list[dict[str, Any]]:
    """Problems that no model solved alone and the mosaic did, drawn by lot."""
    rows = [
        row for row in range(len(items)) if not any(table.correct[m][row] for m in table.models)
    ]
    items = [items[row] for row in rows]
    sampling = Sampling(max_new_tokens=subject.dev.max_new_tokens)
    prompts = [item.prompt for item in items]
    answers = answer(subject.strategy, subject.pool, prompts, sampling)
    solved = [
        {
            "prompt": item.prompt,
            "reference": item.references[0],
            "answer": one.text,
            "steps": [[step.model, step.asked, step.answered] for step in one.steps],
        }
        for item, one in zip(items, answers, strict=True)
        if item.is_right(one.text)
    ]
    random.Random(0).shuffle(solved)
    return solved


def _regressions(subject: Subject, mosaic: Sequence[bool], draws: int, seed: int) -> dict[str, Any]:
    """What the experts made for a priority surely solve there, and the mosaic fails."""
    items, table = subject.items, subject.table
    rows = [row for row, item in enumerate(items) if subject.owners.get(item.group)]
    if not rows:
        return regressions(groups=[], owners={}, greedy={BASE: []}, draws={BASE: [[]]}, mosaic=[])
    greedy: dict[str, list[bool]] = {}
    drawn: dict[str, list[list[bool]]] = {}
    for name in {name for names in subject.owners.values() for name in names}:
        own = [row for row in rows if name in subject.owners[items[row].group]]
        right = [row for row in own if table.correct[name][row]]
        greedy[name] = [row in set(right) for row in rows]
        part = [items[row] for row in right]
        texts = _draws(
            subject.pool,
            name,
            [item.prompt for item in part],
            draws,
            subject.dev.max_new_tokens,
            seed,
        )
        drawn[name] = []
        for given in texts:
            solved = {row for row, one in zip(right, marked(part, given), strict=True) if one}
            drawn[name].append([row in solved for row in rows])
    return regressions(
        groups=[items[row].group for row in rows],
        owners=subject.owners,
        greedy=greedy,
        draws=drawn,
        mosaic=[mosaic[row] for row in rows],
    )
