"""Choosing how the experts of a release are combined, on probes that were not fitted on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training_workers.engine.devtable import DevTable, hopeless, in_turns
from training_workers.engine.pool import BASE, ExpertPool, Sampling
from training_workers.engine.profiles import Profile
from training_workers.engine.resampling import Bootstrap, Estimate
from training_workers.engine.routing import LikelihoodRouter
from training_workers.engine.scoring import Item, scored
from training_workers.engine.strategies import STRATEGIES, Dev, Strategy
from training_workers.engine.strategies.strategy import answer
from training_workers.engine.tuning import tune_router

SEES = ("lexical", "hidden", LikelihoodRouter.KIND)
FIRST_HEAT = 48
"""Select items that a strategy is first tried on, taken from all priorities in turns."""


@dataclass(frozen=True)
class Candidate:
    """A strategy's weighted mean score on `n` select items.

    `harmed` are the priorities on which it is below the base, their whole interval below 0;
    `generations` how many rows it decoded an item. One with `given_up` was hopeless on the first
    items and has no more.
    """

    name: str
    level: str
    n: int
    estimate: Estimate
    harmed: list[str]
    generations: float
    given_up: bool = False


@dataclass(frozen=True)
class Choice:
    """The strategy to release, what it was compared with, and why it was chosen.

    `sees` says what its router sees; `generations` how many rows it decoded a select item; `dev` is
    what all were fitted on.
    """

    strategy: Strategy
    candidates: list[Candidate]
    why: str
    sees: str
    generations: float
    dev: Dev


@dataclass(frozen=True)
class _Tried:
    """A fitted strategy on the select items at `rows`: how right it was, and its rows an item."""

    strategy: Strategy
    rows: NDArray[np.intp]
    right: NDArray[np.float64]
    generations: float


def choose(
    pool: ExpertPool,
    fit: tuple[Sequence[Item], DevTable],
    select: tuple[Sequence[Item], DevTable],
    weights: Mapping[str, float],
    max_new_tokens: int,
    *,
    kinds: Sequence[type[Strategy]] = STRATEGIES,
    sees: Sequence[str] = SEES,
    profiles: Mapping[str, Profile] | None = None,
    seed: int = 0,
    on_kind: Callable[[str], None] = lambda name: None,
) -> Choice:
    """Fit the strategies on `fit`, compare them on `select`.

    Both are items with the table of who answered them how; `profiles` are the experts', if all
    have one. The score is the mean over
    priorities, each weighing as `weights` says (equally if empty). Strategies that harm a
    priority are out. Of those within one standard error of the best, the cheapest is chosen
    (Breiman et al. 1984, 1-SE rule); `best_single` is the fallback. What is chosen is then
    fitted on both, with the settings it had.
    """
    tuned = tune_router(fit[1], weights, sees, pool, profiles)
    dev = Dev(*fit, tuned, pool, max_new_tokens, weights, seed)
    tried: list[_Tried] = []
    for kind in kinds:
        on_kind(kind.name)
        tried.append(_try(kind.fit(dev), pool, *select, max_new_tokens, tried))
    full = [one for one in tried if len(one.rows) == len(select[0])]
    full.sort(key=lambda one: (one.generations, one.strategy.cost))
    groups = select[1].groups
    base = np.array(scored(select[0], select[1].answers[BASE]))
    shares = dict(weights) or dict.fromkeys(groups, 1.0)
    bootstrap = Bootstrap(np.array([*(one.right for one in full), base]).T, groups, shares)
    candidates = [
        _candidate(one, bootstrap, column, len(full), groups) for column, one in enumerate(full)
    ]
    chosen, why = _decide(candidates, bootstrap)
    given_up = [
        _candidate(one, _heat(one, groups, shares), 0, None, groups)
        for one in tried
        if len(one.rows) < len(select[0])
    ]
    both = replace(dev, items=[*fit[0], *select[0]], table=fit[1].joined(select[1]))
    return Choice(
        full[chosen].strategy.refit(both),
        candidates + given_up,
        why,
        tuned.router.sees,
        full[chosen].generations,
        dev,
    )


def _try(
    strategy: Strategy,
    pool: ExpertPool,
    items: Sequence[Item],
    table: DevTable,
    max_new_tokens: int,
    rivals: Sequence[_Tried],
) -> _Tried:
    """Answer the first items; the others too, unless that would be in vain."""
    order = in_turns(table.groups)
    right = np.zeros(len(items))
    rows = 0.0
    sampling = Sampling(max_new_tokens=max_new_tokens)
    for heat in (order[:FIRST_HEAT], order[FIRST_HEAT:]):
        if len(heat) == 0:
            continue
        answers = answer(strategy, pool, [items[row].prompt for row in heat], sampling)
        right[heat] = scored([items[row] for row in heat], [one.text for one in answers])
        rows += sum(one.generations for one in answers)
        first = _Tried(strategy, heat, right[heat], rows / len(heat))
        if len(heat) < len(items) and heat[0] == order[0] and _hopeless(first, rivals):
            return first
    return _Tried(strategy, np.arange(len(items)), right, rows / len(items))


def _hopeless(first: _Tried, rivals: Sequence[_Tried]) -> bool:
    """Whether it is, beside some rival that has answered all items."""
    return any(
        hopeless(first.right, rival.right[first.rows], dearer=rival.generations < first.generations)
        for rival in rivals
        if len(rival.rows) > len(first.rows)
    )


def _heat(one: _Tried, groups: Sequence[str], shares: Mapping[str, float]) -> Bootstrap:
    return Bootstrap(one.right[:, None], [groups[row] for row in one.rows], shares)


def _candidate(
    one: _Tried, bootstrap: Bootstrap, column: int, base: int | None, groups: Sequence[str]
) -> Candidate:
    """`base` is the base's column; None for a strategy that was given up."""
    return Candidate(
        name=one.strategy.name,
        level=one.strategy.level,
        n=len(one.rows),
        estimate=bootstrap.score(column),
        harmed=[
            group
            for group in sorted(set(groups))
            if base is not None and bootstrap.difference(column, base, group).high < 0
        ],
        generations=one.generations,
        given_up=base is None,
    )


def _decide(candidates: list[Candidate], bootstrap: Bootstrap) -> tuple[int, str]:
    """The candidate to release and the reason; candidates stand in the order of their cost."""
    harmless = [column for column, one in enumerate(candidates) if not one.harmed]
    if not harmless:
        named = [one.name for one in candidates]
        fallback = named.index("best_single") if "best_single" in named else 0
        return fallback, (
            f"Every strategy harms a priority; {named[fallback]} is the fallback "
            f"and is below the base on: {', '.join(candidates[fallback].harmed)}."
        )
    best = max(harmless, key=lambda column: candidates[column].estimate.score)
    top = candidates[best].estimate.score
    for column in harmless:
        behind = top - candidates[column].estimate.score
        if column == best or behind <= bootstrap.standard_error(best, column):
            break
    chosen = candidates[column]
    why = f"{chosen.name} scores {chosen.estimate.score:.3f} on the select probes"
    if column != best:
        why += (
            f", within one standard error of {candidates[best].name} ({top:.3f}), "
            "and is cheaper to serve"
        )
    elif len(harmless) > 1:
        why += (
            ", more than one standard error above every cheaper strategy"
            if column != harmless[0]
            else ", the best"
        )
    for one in candidates:
        if one.harmed:
            why += f"; {one.name} is out because it is below the base on: {', '.join(one.harmed)}"
    return column, why + "."
