"""The report of a release: what it scores on the sealed probes, against what, how surely.

`report.schema.json` says what each number of the JSON is and where it comes from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from training_workers.engine.resampling import LEVEL, RESAMPLES, Bootstrap, holm, mcnemar
from training_workers.engine.scoring import RIGHT_FROM

SCHEMA = 2
CONTROLS = {
    "general": "a larger model without any contributed data",
    "sequential": "one model trained on the contributions in their order of arrival",
    "monolith_wide": "the monolith at the summed rank of all experts",
    "best_single_resampled": "the best single expert with as many generations, by majority",
    "monolith_resampled": "the monolith with as many generations, by majority",
    "monolith_chained": "the monolith with the mosaic's own inference",
}
RIVALS = {
    "best_single": "the best single expert",
    "monolith": "the monolith trained on the pooled data with the same compute",
    **CONTROLS,
    "base": "the base",
}


def release_report(
    *,
    groups: Sequence[str],
    base: Sequence[float],
    experts: Mapping[str, Sequence[float]],
    best_single: str,
    mosaic: Sequence[float],
    routes: Sequence[str | None],
    owners: Mapping[str, Sequence[str]],
    monolith: Sequence[float] | None = None,
    controls: Mapping[str, Sequence[float]] | None = None,
    missing: Mapping[str, str] | None = None,
    weights: Mapping[str, float] | None = None,
    emergence: Mapping[str, Any] | None = None,
    regressions: Mapping[str, Any] | None = None,
    credit: Mapping[str, Any] | None = None,
    inference: Mapping[str, float] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """A JSON-ready report over the sealed probes.

    All sequences have one entry a probe: `groups` its priority, the others how right the answer of
    the base, an expert, the monolith, one of the other `controls` or the mosaic is, from 0 to 1,
    `routes` which expert it was sent to. `missing` says of controls why they are not there.
    `best_single` names the expert that was best on the dev probes ("" for the base), `owners` the
    experts of each priority. `emergence`, `regressions` and `credit` are what the functions of
    these names and `shapley_values` made; `inference` is each model's mean number of generations a
    probe.

    Scores are means over probes; with `weights`, weighted means over priorities. Intervals are of
    95 %: Wilson's for scores; for differences from 10,000 paired resamples, stratified by priority,
    and not narrower than Newcombe's (see `Bootstrap`). Raises ValueError where an entry is missing,
    a control is unknown or said to be missing, or an expert has no credit.
    """
    models: dict[str, Sequence[float]] = {"base": base, "mosaic": mosaic}
    models["best_single"] = experts[best_single] if best_single else base
    if monolith is not None:
        models["monolith"] = monolith
    controls, missing = dict(controls or {}), dict(missing or {})
    if unknown := (controls.keys() | missing.keys()) - CONTROLS.keys() - {"monolith"}:
        raise ValueError(f"There are no controls {sorted(unknown)}.")
    if "monolith" in controls or not missing.keys().isdisjoint({*models, *controls}):
        raise ValueError("A control is given once, or missing.")
    models |= controls
    expert_names = sorted(experts)
    if credit is not None and sorted(credit["credit"]) != expert_names:
        raise ValueError("Credit must name every expert of the release.")
    columns = [*models.values(), *(experts[name] for name in expert_names)]
    if not groups or {len(groups)} != {len(routes), *map(len, columns)}:
        raise ValueError("A report needs probes, and every sequence an entry for each of them.")
    right = np.array(columns, dtype=np.float64).T
    bootstrap = Bootstrap(right, groups, weights, seed)
    position = {name: column for column, name in enumerate(models)}
    first_expert = len(models)
    names = sorted(set(groups))
    rows_of = {name: [row for row, group in enumerate(groups) if group == name] for name in names}

    def scores(group: str | None) -> dict[str, Any]:
        return {name: asdict(bootstrap.score(at, group)) for name, at in position.items()}

    def difference(rival: str, group: str | None = None) -> dict[str, Any]:
        rows = rows_of[group] if group is not None else range(len(groups))
        estimate = bootstrap.difference(position["mosaic"], position[rival], group)
        of_rival = models[rival]
        p_value = mcnemar(
            [mosaic[row] >= RIGHT_FROM for row in rows],
            [of_rival[row] >= RIGHT_FROM for row in rows],
        )
        return {**asdict(estimate), "mcnemar_p": p_value}

    def comparison(rival: str) -> dict[str, Any]:
        by_priority = {name: difference(rival, name) for name in names}
        corrected = holm([row["mcnemar_p"] for row in by_priority.values()])
        for row, p_value in zip(by_priority.values(), corrected, strict=True):
            row["holm_p"] = p_value
        return {
            **difference(rival),
            "relative_gain": bootstrap.relative_gain(position["mosaic"], position[rival]),
            "by_priority": by_priority,
        }

    per_priority = {}
    for group in names:
        own = [expert_names.index(name) for name in owners.get(group, ()) if name in experts]
        per_priority[group] = {
            "n": len(rows_of[group]),
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
    differences = {rival: comparison(rival) for rival in RIVALS if rival in models}
    harmed = [name for name, row in per_priority.items() if row["mosaic_minus_base"]["high"] < 0]
    owned = [
        (route, owners[group])
        for route, group in zip(routes, groups, strict=True)
        if owners.get(group)
    ]
    answered = {
        name: sum(score for route, score in zip(routes, mosaic, strict=True) if route == name)
        / len(groups)
        for name in expert_names
    }
    return {
        "schema": SCHEMA,
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
        "missing": missing,
        "inference": dict(inference or {}),
        "above_best_single": differences["best_single"]["low"] > 0,
        "above_monolith": (differences["monolith"]["low"] > 0 if monolith is not None else None),
        "harmed": harmed,
        "emergence": None if emergence is None else dict(emergence),
        "regressions": None if regressions is None else dict(regressions),
        "answered": answered,
        "credit": answered if credit is None else dict(credit["credit"]),
        "shapley": None if credit is None else dict(credit),
        "routing_accuracy": (
            sum(route in named for route, named in owned) / len(owned) if owned else None
        ),
        "sentences": [
            *(_sentence(rival, row) for rival, row in differences.items()),
            *(
                f"Not compared with {RIVALS[name]}: {why.rstrip('.')}."
                for name, why in missing.items()
            ),
            *([] if emergence is None else [_emergence_sentence(emergence)]),
            *([] if regressions is None else [_regression_sentence(regressions)]),
            _harm_sentence(harmed),
        ],
    }


def _points(row: Mapping[str, float]) -> str:
    return f"{100 * row['score']:+.1f} points [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"


def _share(row: Mapping[str, float]) -> str:
    return f"{row['score']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def _sentence(rival: str, row: Mapping[str, Any]) -> str:
    """Says whether the mosaic is above a rival, or that this is not shown."""
    if row["low"] > 0:
        verdict = "above"
    elif row["high"] < 0:
        verdict = "below"
    else:
        verdict = "not shown to be above"
    gain = row["relative_gain"]
    relative = f" ({gain['score']:+.1%} relative)" if gain else ""
    return (
        f"The mosaic is {verdict} {RIVALS[rival]}: "
        f"{_points(row)}{relative}, p = {row['mcnemar_p']:.2g}."
    )


def _emergence_sentence(emergence: Mapping[str, Any]) -> str:
    """Says whether the mosaic solves more of what all others fail than mere drawing again does."""
    n, enough = emergence["n"], emergence["enough"]
    if n == 0:
        return "Emergence is not shown: no probe is failed by the base and every expert."
    rival = {"best_single": "the best single expert", "routed": "the routed expert"}.get(
        emergence["hardest"], emergence["hardest"]
    )
    found = (
        f"of the {n:,} probes that the base and every expert fail, the mosaic solves "
        f"{_share(emergence['solved'])}, {_points(emergence['excess'])} against {rival} "
        f"in {emergence['budget']} draws"
    )
    if emergence["badge"]:
        return f"Emergence is shown: {found}."
    few = f"; these are too few to show it, it takes {enough}" if n < enough else ""
    return f"Emergence is not shown: {found}{few}."


def _regression_sentence(regressions: Mapping[str, Any]) -> str:
    if not regressions["n"]:
        return "No probe is surely solved by its own expert, so no regression can be seen."
    return (
        f"Of the {regressions['n']:,} probes that their own expert surely solves, the mosaic fails "
        f"{regressions['failed']:,}: {_share(regressions['share'])}."
    )


def _harm_sentence(harmed: Sequence[str]) -> str:
    if harmed:
        return f"The mosaic is below the base on these priorities: {', '.join(harmed)}."
    return "On no priority is the mosaic shown to be below the base."
