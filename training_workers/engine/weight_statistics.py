"""What an expert's update looks like by its numbers: how large it is, and how concentrated.

A trained LoRA spreads its energy over several directions and over most layers. One that was edited
by hand, or scaled up to outvote the others in a merge, often does not. Neither proves anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, log, sqrt
from statistics import median
from typing import Any

import torch

from training_workers.engine.adapters import Adapter
from training_workers.engine.bases import Base

ENOUGH_OTHERS = 5
FAR = 5.0
"""Robust deviations from the other experts, in logarithms, from which on a number stands out."""
SPREAD = 0.25
"""The least that experts are taken to differ, in logarithms: recipes and amounts of data do."""
OVERWHELMING = 1.0
ONE_DIRECTION = 0.9


@dataclass(frozen=True)
class WeightStatistics:
    """Of all layers together.

    `size` is |dW| / |W| (Frobenius) over the adapted layers, `spectral` the largest singular value
    of any dW, `concentration` the share of the energy |dW|^2 in the first direction of each layer,
    weighted by energy; `busiest` names the layer with the most energy, `busiest_share` its share.
    """

    size: float
    spectral: float
    concentration: float
    busiest: str
    busiest_share: float
    layers: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def weight_statistics(adapter: Adapter, base: Base) -> WeightStatistics:
    """Singular values come from the small cores R_B R_A' of B = Q R and A' = P S."""
    energies, firsts, tops, frozen = {}, [], [], 0.0
    modules = dict(base.model.named_modules())
    for layer in adapter.layers:
        up, down = adapter.factors(layer)
        core = torch.linalg.qr(up).R @ torch.linalg.qr(down.T).R.T
        squares = torch.linalg.svdvals(core).square()
        energies[layer] = float(squares.sum())
        firsts.append(float(squares.max()))
        tops.append(float(squares.max().sqrt()))
        frozen += float(modules[layer].weight.double().square().sum())
    total = sum(energies.values())
    busiest = max(energies, key=lambda layer: energies[layer])
    return WeightStatistics(
        size=sqrt(total / frozen),
        spectral=max(tops),
        concentration=sum(firsts) / total,
        busiest=busiest,
        busiest_share=energies[busiest] / total,
        layers=len(energies),
    )


def unusual(own: WeightStatistics, others: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on what stands out, by itself and against the other experts' statistics."""
    found = []
    if own.size > OVERWHELMING:
        found.append(
            f"Its update is {own.size:.1f} times as large as the weights that it adapts, "
            "so little of the base is left."
        )
    if own.concentration > ONE_DIRECTION and own.layers > 1:
        found.append(
            f"{own.concentration:.0%} of its update lies in one direction a layer, as in weights "
            "that were edited rather than trained."
        )
    if len(others) < ENOUGH_OTHERS:
        return found
    for name, words in (
        ("size", "The size of its update"),
        ("spectral", "The largest singular value of its update"),
        ("concentration", "The share of its update in one direction"),
        ("busiest_share", f"The share of its update in one layer ({own.busiest})"),
    ):
        usual = [log(other[name]) for other in others]
        middle = median(usual)
        # 1.4826 times the median deviation is the standard deviation of normal numbers.
        spread = max(SPREAD, 1.4826 * median(abs(value - middle) for value in usual))
        if abs(log(getattr(own, name)) - middle) > FAR * spread:
            found.append(
                f"{words} is {getattr(own, name):.3g}; the {len(others)} other experts "
                f"have {exp(middle):.3g} in the middle."
            )
    return found
