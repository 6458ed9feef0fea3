"""All that is checked of an expert before it stands on a ballot, as one JSON document.

Findings are evidence for those who approve and vote. None of them rejects anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from training_workers.engine.adapters import Adapter
from training_workers.engine.behaviour import Finding, observe
from training_workers.engine.pool import ExpertPool
from training_workers.engine.scoring import Item
from training_workers.engine.similarity import Resemblance
from training_workers.engine.training import Cancelled
from training_workers.engine.weight_statistics import unusual, weight_statistics

CLONE = 0.9
ALIKE = 0.3
"""Cosine: honest experts on different data stay below 0.1, on the same data with another seed they
reach 0.5 (measured on the shipped base)."""
MOST_ALIKE = 10


def check(
    pool: ExpertPool,
    name: str,
    own: Sequence[Item],
    others: Iterable[tuple[int, Adapter]],
    statistics: Sequence[Mapping[str, Any]],
    *,
    seed: int = 0,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Check the expert `name` of `pool`, which was made for the items `own`.

    `others` are the other experts of this base with their keys, read one at a time; `statistics`
    what this check said of their weights. The document has `behaviour` (see `observe`), `weights`
    (`WeightStatistics`), `alike` (expert, cosine, subspace) and `findings` (kind, severity, text
    and, for a clone or a likeness, expert). Raises Cancelled.
    """
    adapter = pool.adapters[name]
    behaviour = observe(
        pool, name, own, seed=seed, should_stop=should_stop, on_progress=on_progress
    )
    weights = weight_statistics(adapter, pool.base)
    findings = [asdict(finding) for finding in behaviour.findings]
    findings += [
        asdict(Finding("weights", "warning", text)) for text in unusual(weights, statistics)
    ]
    alike = []
    resemblance = Resemblance(adapter)
    for key, other in others:
        if should_stop():
            raise Cancelled
        found = resemblance.to(other)
        alike.append({"expert": key, "cosine": found.cosine, "subspace": found.subspace})
    alike.sort(key=lambda row: (-max(row["cosine"], row["subspace"]), row["expert"]))
    findings += [finding for row in alike if (finding := _likeness(row))]
    return {
        "seed": seed,
        "behaviour": behaviour.measured,
        "weights": weights.to_dict(),
        "alike": alike[:MOST_ALIKE],
        "compared": len(alike),
        "findings": findings,
    }


def _likeness(row: Mapping[str, Any]) -> dict[str, Any] | None:
    cosine, subspace = row["cosine"], row["subspace"]
    numbers = f"(cosine {cosine:.2f}, shared directions {subspace:.2f})"
    if max(cosine, subspace) >= CLONE:
        finding = Finding("clone", "warning", f"Its weights are those of another expert {numbers}.")
    elif cosine >= ALIKE:
        text = f"It learnt much of what another expert did {numbers}."
        finding = Finding("alike", "note", text)
    else:
        return None
    return {**asdict(finding), "expert": row["expert"]}
