"""Weights of experts for a merge, found by nothing but the loss on dev data.

`loss` takes a weight for every name, 0 for those left out, and may be NaN or infinite where the
model breaks down. It is called one weighting at a time and is the whole cost.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf, isnan

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Loss = Callable[[Mapping[str, float]], float]

L1 = 0.05
"""Price of the mean absolute weight, as in LoraHub."""
RADIUS = 0.3
"""How far the search first steps away from its start, in units of weight."""


def greedy_soup(
    names: Sequence[str], loss: Loss, alone: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Uniform weights over the chosen experts, 0 for the others (Wortsman et al. 2022, recipe 1).

    In the order of their own loss, each is added that lowers the loss of the uniform mean. A clone
    of a chosen expert therefore stays out. `alone` has the loss of each expert at weight 1 where
    it is known already; it costs len(names) - 1 calls then, else 2 len(names) - 1. Raises
    ValueError without names.
    """
    _check_names(names)
    losses = {n: _number(loss(_uniform(names, [n])) if alone is None else alone[n]) for n in names}
    best, *others = sorted(names, key=lambda name: losses[name])
    chosen, lowest = [best], losses[best]
    for name in others:
        tried = _number(loss(_uniform(names, [*chosen, name])))
        if tried < lowest:
            chosen, lowest = [*chosen, name], tried
    return _uniform(names, chosen)


def searched_soup(
    names: Sequence[str], start: Mapping[str, float], loss: Loss, evaluations: int
) -> dict[str, float]:
    """The best weights found by at most `evaluations` calls of `loss`, never worse than `start`.

    Minimises loss(w) + L1 mean |w| (LoraHub: Huang et al. 2023) by COBYLA (Powell 1994), which
    fits a plane to the last n + 1 weightings and follows it within a shrinking radius. It draws
    nothing: the same call gives the same weights. Names that `start` leaves out begin at 0.
    Raises ValueError without names, or if `evaluations` is below len(names) + 2.
    """
    _check_names(names)
    if evaluations < len(names) + 2:
        raise ValueError(f"{len(names)} weights need {len(names) + 2} evaluations at least.")
    tried: list[tuple[float, float, dict[str, float]]] = []

    def objective(point: NDArray[np.float64]) -> float:
        weights = dict(zip(names, point.tolist(), strict=True))
        value = _number(loss(weights))
        penalised = value + L1 * float(np.abs(point).mean())
        tried.append((penalised, value, weights))
        return penalised

    begin = np.array([start.get(name, 0.0) for name in names])
    minimize(objective, begin, method="COBYLA", options={"rhobeg": RADIUS, "maxiter": evaluations})
    # The penalty may pay for a higher loss; the start comes first, so it is always among these.
    no_worse = [trial for trial in tried if trial[1] <= tried[0][1]]
    return min(no_worse, key=lambda trial: trial[0])[2]


def _uniform(names: Sequence[str], chosen: Sequence[str]) -> dict[str, float]:
    return {name: 1 / len(chosen) if name in chosen else 0.0 for name in names}


def _number(loss: float) -> float:
    """A loss that can be compared."""
    return inf if isnan(loss) else loss


def _check_names(names: Sequence[str]) -> None:
    if not names:
        raise ValueError("There are no experts to weigh.")
