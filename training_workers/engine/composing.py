"""Choosing how the experts of a release are combined, on probes that were not fitted on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training_workers.engine.neighbours import (
    Expectation,
    Features,
    choose_columns,
    nearest,
    shrunken_scores,
)
from training_workers.engine.resampling import Bootstrap, Estimate
from training_workers.engine.routing import (
    BASE,
    BestSingle,
    DevTable,
    Nearest,
    Strategy,
    priority_means,
)

FOLDS = 5
NEIGHBOURS = (5, 10, 20, 40)
PSEUDO_COUNTS = (0.5, 2.0, 8.0, 32.0)
MARGINS = (0.0, 0.05)


@dataclass(frozen=True)
class Candidate:
    """A strategy's weighted mean score on the select probes.

    `harmed` are the priorities on which it is below the base, their whole interval below 0.
    `cost` orders strategies: how much more there is to serve.
    """

    name: str
    estimate: Estimate
    harmed: list[str]
    cost: int


@dataclass(frozen=True)
class Choice:
    """The strategy to release, what it was compared with, and why it was chosen."""

    strategy: Strategy
    candidates: list[Candidate]
    why: str


def choose(fit: DevTable, select: DevTable, weights: Mapping[str, float]) -> Choice:
    """Fit the strategies on `fit`, compare them on `select`.

    The score is the mean over priorities, each weighing as `weights` says (equally if empty).
    Strategies that harm a priority are out. Of those within one standard error of the best, the
    cheapest is chosen (Breiman et al. 1984, 1-SE rule); `best_single` is the fallback. What is
    chosen is then fitted on both tables, with the settings it had.
    """
    single = BestSingle.fit(fit, weights or None)
    near = tune_nearest(fit, weights)
    strategies: list[Strategy] = [single, near]
    results = np.array(
        [_results(strategy, select) for strategy in strategies] + [select.correct[BASE]],
        dtype=np.float64,
    ).T
    base = len(strategies)
    shares = weights or dict.fromkeys(select.groups, 1.0)
    bootstrap = Bootstrap(results, select.groups, shares)
    candidates = [
        Candidate(
            name=strategy.name,
            estimate=bootstrap.score(column),
            harmed=[
                group
                for group in sorted(set(select.groups))
                if bootstrap.difference(column, base, group).high < 0
            ],
            cost=column,
        )
        for column, strategy in enumerate(strategies)
    ]
    chosen, why = _decide(candidates, bootstrap)
    both = fit.joined(select)
    if candidates[chosen].name == Nearest.name:
        final: Strategy = Nearest.fit(both, near.k, near.pseudo_count, near.margin)
    else:
        final = BestSingle.fit(both, weights or None)
    return Choice(final, candidates, why)


def _decide(candidates: list[Candidate], bootstrap: Bootstrap) -> tuple[int, str]:
    """The candidate to release and the reason; candidates stand in the order of their cost."""
    harmless = [column for column, one in enumerate(candidates) if not one.harmed]
    if not harmless:
        harmed = ", ".join(candidates[0].harmed)
        return 0, (
            f"Every strategy harms a priority; {candidates[0].name} is the fallback "
            f"and is below the base on: {harmed}."
        )
    best = max(harmless, key=lambda column: candidates[column].estimate.score)
    top = candidates[best].estimate.score
    for column in harmless:
        behind = top - candidates[column].estimate.score
        if column == best or behind <= bootstrap.standard_error(best, column):
            break
    chosen = candidates[column]
    out = [one for one in candidates if one.harmed]
    why = f"{chosen.name} scores {chosen.estimate.score:.3f} on the select probes"
    if column != best:
        why += (
            f", within one standard error of {candidates[best].name} ({top:.3f}), "
            "and is cheaper to serve"
        )
    elif len(harmless) > 1:
        why += (
            ", more than one standard error above every cheaper strategy"
            if best
            else (", the best")
        )
    for one in out:
        why += f"; {one.name} is out because it is below the base on: {', '.join(one.harmed)}"
    return column, why + "."


def tune_nearest(table: DevTable, weights: Mapping[str, float]) -> Nearest:
    """`Nearest` with the settings that score best in cross-validation within `table`.

    Of equal settings the first in the order of the grids wins. Folds take every fifth prompt of
    a priority, so that each is in all of them.
    """
    names = [BASE, *table.experts]
    right = table.matrix(names)
    features = Features(table.prompts)
    known = features.of(table.prompts)
    similarity = features.similarities(known, known)
    folds = _folds(table)
    settings = [
        (k, pseudo_count, margin)
        for k in NEIGHBOURS
        for pseudo_count in PSEUDO_COUNTS
        for margin in MARGINS
    ]
    solved = np.zeros((len(table.prompts), len(settings)))
    for fold in range(FOLDS):
        held, kept = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if not len(held) or not len(kept):
            continue
        order, near = nearest(similarity[np.ix_(held, kept)], max(NEIGHBOURS))
        expected = Expectation.fit(known[kept], right[kept]).of(known[held])
        for column, (k, pseudo_count, margin) in enumerate(settings):
            scores = shrunken_scores(order[:, :k], near[:, :k], right[kept], expected, pseudo_count)
            routed = choose_columns(scores, margin)
            solved[held, column] = right[held, routed]
    means = priority_means(solved, table.groups, weights or None)
    return Nearest.fit(table, *settings[int(means.argmax())])


def _folds(table: DevTable) -> NDArray[np.int64]:
    seen: dict[str, int] = {}
    folds = []
    for group in table.groups:
        folds.append(seen.get(group, 0) % FOLDS)
        seen[group] = seen.get(group, 0) + 1
    return np.array(folds)


def _results(strategy: Strategy, table: DevTable) -> list[bool]:
    """Whether the model that each prompt is routed to answered it right."""
    return [
        table.correct[route.expert or BASE][row]
        for row, route in enumerate(strategy.route_many(table.prompts))
    ]
