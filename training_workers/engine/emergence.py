"""Collaborative emergence: what a composed model solves that the base and every expert fail.

A problem is *unsolved* if base and every expert fail it greedily and in every sampled draw. But a
model that fails in 4 draws may well be right in the next: so what counts is the *excess*, the share
of the unsolved problems that the mosaic solves minus the share that a single model solves in one of
as many new draws (pass@budget, Chen et al. 2021). All are measured on seeds that had no part in
calling a problem unsolved, else the choice would flatter the mosaic (regression to the mean).

The mirror are *regressions*: what an expert surely solves and the mosaic fails.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training_workers.engine.resampling import LEVEL, RESAMPLES, Bootstrap, Estimate, wilson

ENOUGH = 50
"""Unsolved problems below which no badge is given."""
EXAMPLES = 5


def unsolved(
    greedy: Mapping[str, Sequence[bool]], draws: Mapping[str, Sequence[Sequence[bool]]]
) -> list[int]:
    """The items that no model solves, neither greedily nor in any draw.

    Of base and experts `greedy` has one result an item, `draws` (draws, items). Raises ValueError
    where a model has no draws or items are missing.
    """
    tries = np.concatenate(list(_tries(greedy, draws).values()))
    return np.flatnonzero(~tries.any(axis=0)).tolist()


def emergence(
    *,
    groups: Sequence[str],
    mosaic: Sequence[Sequence[bool]],
    rivals: Mapping[str, Sequence[Sequence[bool]]],
    budget: int,
    total: int,
    examples: Sequence[Mapping[str, Any]] = (),
    seed: int = 0,
) -> dict[str, Any]:
    """Emergence on the unsolved items, JSON-ready.

    `groups` names the priority of each unsolved item. `mosaic` and each of `rivals` is (fresh
    seeds, items): whether the mosaic's answer is right with that seed, and whether any of `budget`
    draws of the rival is. `total` counts all sealed items. A share is the mean over items of the
    mean over seeds, with Wilson's interval for the number of items; an excess has the paired
    bootstrap's, stratified by group (see `Bootstrap.difference`). The hardest rival is the one with
    the highest share; `badge` says that the excess over it is surely above 0, on 50 items or more.
    """
    n = len(groups)
    if not rivals:
        raise ValueError("Emergence is an excess over rivals: name one.")
    report = {
        "n": n,
        "of": total,
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": seed,
        "seeds": len(mosaic),
        "budget": budget,
        "enough": ENOUGH,
    }
    if n == 0:
        return report | {
            "solved": None,
            "rivals": {},
            "hardest": None,
            "excess": None,
            "badge": False,
            "groups": {},
            "examples": [],
        }
    tables = [np.array(table, dtype=np.float64) for table in (mosaic, *rivals.values())]
    if {table.shape for table in tables} != {(len(mosaic), n)} or not len(mosaic):
        raise ValueError("Mosaic and rivals need a result for every item with every seed.")
    shares = np.array([table.mean(axis=0) for table in tables]).T
    bootstrap = Bootstrap(shares, groups, None, seed)
    column = {name: at for at, name in enumerate(rivals, start=1)}
    hardest = max(rivals, key=lambda name: shares[:, column[name]].mean())
    excess = {name: bootstrap.difference(0, at) for name, at in column.items()}
    by_group = {}
    for group in sorted(set(groups)):
        inside = np.array(groups) == group
        by_group[group] = {
            "n": int(inside.sum()),
            "solved": _share(shares[inside, 0]),
            "excess": asdict(bootstrap.difference(0, column[hardest], group)),
        }
    return report | {
        "solved": _share(shares[:, 0]),
        "rivals": {
            name: {"solved": _share(shares[:, at]), "excess": asdict(excess[name])}
            for name, at in column.items()
        },
        "hardest": hardest,
        "excess": asdict(excess[hardest]),
        "badge": n >= ENOUGH and excess[hardest].low > 0,
        "groups": by_group,
        "examples": [dict(example) for example in examples[:EXAMPLES]],
    }


def regressions(
    *,
    groups: Sequence[str],
    owners: Mapping[str, Sequence[str]],
    greedy: Mapping[str, Sequence[bool]],
    draws: Mapping[str, Sequence[Sequence[bool]]],
    mosaic: Sequence[bool],
) -> dict[str, Any]:
    """How often the mosaic fails what an expert surely solves, JSON-ready.

    Counted are the items that an expert made for their priority (`owners`) solves greedily and in
    every draw; all sequences run over all sealed items, `greedy` and `draws` as for `unsolved`.
    `share` of these `n` items is what the mosaic, greedy too, fails; None if there are none.
    """
    tries = _tries(greedy, draws)
    if {len(groups), len(mosaic)} != {table.shape[1] for table in tries.values()}:
        raise ValueError("Every sequence needs an entry for each item.")
    surely = {name: set(np.flatnonzero(table.all(axis=0))) for name, table in tries.items()}
    solved = [
        item
        for item, group in enumerate(groups)
        if any(item in surely[name] for name in owners.get(group, ()) if name in surely)
    ]
    failures = np.array([not mosaic[item] for item in solved], dtype=np.float64)
    return {
        "n": len(solved),
        "of": len(groups),
        "level": LEVEL,
        "failed": int(failures.sum()),
        "share": _share(failures) if solved else None,
    }


def _tries(
    greedy: Mapping[str, Sequence[bool]], draws: Mapping[str, Sequence[Sequence[bool]]]
) -> dict[str, NDArray[np.bool_]]:
    """All results of each model, (1 + draws, items)."""
    if not greedy or greedy.keys() != draws.keys():
        raise ValueError("The same models must answer greedily and in draws.")
    n = len(next(iter(greedy.values())))
    tries = {}
    for name, drawn in draws.items():
        rows = [greedy[name], *drawn]
        if not drawn or {len(row) for row in rows} != {n}:
            raise ValueError(f"{name or 'The base'} needs draws, and in each a result an item.")
        tries[name] = np.array(rows, dtype=np.bool_)
    return tries


def _share(values: NDArray[np.float64]) -> dict[str, float]:
    low, high = wilson(float(values.sum()), len(values))
    return asdict(Estimate(float(values.mean()), low, high))
