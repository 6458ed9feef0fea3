"""The report of a release: what it scores on the sealed probes, against what, how surely."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from training_workers.engine.resampling import LEVEL, RESAMPLES, Bootstrap, mcnemar
from training_workers.engine.routing import BASE

RIVALS = ("best_single", "monolith", "base")


def release_report(
    *,
    groups: Sequence[str],
    base: Sequence[bool],
    experts: Mapping[str, Sequence[bool]],
    best_single: str,
    mosaic: Sequence[bool],
    routes: Sequence[str | None],
    owners: Mapping[str, Sequence[str]],
    monolith: Sequence[bool] | None = None,
    weights: Mapping[str, float] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """A JSON-ready report over the sealed probes.

    All sequences have one entry a probe: `groups` its priority, the others whether the base, an
    expert, the monolith or the mosaic answered it right, `routes` which expert it was sent to.
    `best_single` names the expert that was best on the dev probes ("" for the base), `owners`
    the experts of each priority. Scores are means over probes; with `weights`, weighted means
    over priorities. Intervals are of 95 %: Wilson's for
    scores; for differences from 10,000 paired resamples, stratified by priority.
    """
    models: dict[str, Sequence[bool]] = {"base": base, "mosaic": mosaic}
    models["best_single"] = experts[best_single] if best_single != BASE else base
    if monolith is not None:
        models["monolith"] = monolith
    expert_names = sorted(experts)
    columns = [*models.values(), *(experts[name] for name in expert_names)]
    if not groups or {len(groups)} != {len(routes), *map(len, columns)}:
        raise ValueError("A report needs probes, and every sequence an entry for each of them.")
    right = np.array(columns, dtype=np.float64).T
    bootstrap = Bootstrap(right, groups, weights, seed)
    position = {name: column for column, name in enumerate(models)}
    first_expert = len(models)

    def scores(group: str | None) -> dict[str, Any]:
        return {name: asdict(bootstrap.score(at, group)) for name, at in position.items()}

    per_priority = {}
    for group in sorted(set(groups)):
        own = [expert_names.index(name) for name in owners.get(group, ()) if name in experts]
        per_priority[group] = {
            "n": sum(1 for one in groups if one == group),
            "own": max(
                (asdict(bootstrap.score(first_expert + at, group)) for at in own),
                key=lambda estimate: estimate["score"],
                default=None,
            ),
            **scores(group),
            "mosaic_minus_base": asdict(
                bootstrap.difference(position["mosaic"], position["base"], group)
            ),
        }
    differences = {
        rival: {
            **asdict(bootstrap.difference(position["mosaic"], position[rival])),
            "mcnemar_p": mcnemar(mosaic, models[rival]),
        }
        for rival in RIVALS
        if rival in models
    }
    harmed = [name for name, row in per_priority.items() if row["mosaic_minus_base"]["high"] < 0]
    owned = [
        (route, owners[group])
        for route, group in zip(routes, groups, strict=True)
        if owners.get(group)
    ]
    return {
        "n": len(groups),
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": seed,
        "best_single": best_single,
        "scores": scores(None),
        "experts": {
            name: asdict(bootstrap.score(first_expert + at)) for at, name in enumerate(expert_names)
        },
        "priorities": per_priority,
        "differences": differences,
        "above_best_single": differences["best_single"]["low"] > 0,
        "above_monolith": (differences["monolith"]["low"] > 0 if monolith is not None else None),
        "harmed": harmed,
        "credit": {
            name: sum(
                route == name and solved for route, solved in zip(routes, mosaic, strict=True)
            )
            / len(groups)
            for name in expert_names
        },
        "routing_accuracy": (
            sum(route in named for route, named in owned) / len(owned) if owned else None
        ),
        "sentences": [
            *(_sentence(rival, row) for rival, row in differences.items()),
            _harm_sentence(harmed),
        ],
    }


def _sentence(rival: str, row: Mapping[str, float]) -> str:
    """Says whether the mosaic is above a rival, or that this is not shown."""
    called = {
        "best_single": "the best single expert",
        "monolith": "the monolith trained on the pooled data with the same compute",
        "base": "the base",
    }[rival]
    points = f"{100 * row['score']:+.1f} points [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
    if row["low"] > 0:
        return f"The mosaic is above {called}: {points}, p = {row['mcnemar_p']:.2g}."
    if row["high"] < 0:
        return f"The mosaic is below {called}: {points}, p = {row['mcnemar_p']:.2g}."
    return f"The mosaic is not shown to be above {called}: {points}, p = {row['mcnemar_p']:.2g}."


def _harm_sentence(harmed: Sequence[str]) -> str:
    if harmed:
        return f"The mosaic is below the base on these priorities: {', '.join(harmed)}."
    return "On no priority is the mosaic shown to be below the base."
