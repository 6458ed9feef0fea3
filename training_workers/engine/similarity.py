"""How alike two experts are, by their updates dW = B A; no dW is ever formed.

- cosine:    <dW_1, dW_2> / (|dW_1| |dW_2|)  over all layers together, with
             <dW_1, dW_2> = sum_layers sum( (B_1' B_2) * (A_1 A_2') ).
  1 for a copy, however it is scaled or its factors are turned; near 0 for independent experts.
- subspace:  how far the outputs that one can write to are those of the other, beyond chance:
  ( |Q_1' Q_2|^2 / r  -  R / d ) / (1 - R / d),  Q orthonormal in d dimensions, r <= R the ranks,
  mean over the layers. A copy whose singular values were changed keeps it at 1; 0 for independent
  experts.
"""

from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from training_workers.engine.adapters import Adapter

NEGLIGIBLE = 1e-6
"""Singular values below this share of the largest span nothing."""


@dataclass(frozen=True)
class Likeness:
    """Both at most 1 (see above)."""

    cosine: float
    subspace: float


class Resemblance:
    """Of experts to one of them, on the same base."""

    def __init__(self, own: Adapter) -> None:
        self._own = own
        self._outputs = {layer: outputs(own, layer) for layer in own.layers}

    def to(self, other: Adapter) -> Likeness:
        shared = sorted(set(self._own.layers) & set(other.layers))
        inner = sum(_inner(self._own, other, layer) for layer in shared)
        norms = sqrt(_square(self._own) * _square(other))
        excess = [
            value
            for layer in shared
            if (value := _excess(self._outputs[layer], outputs(other, layer))) is not None
        ]
        return Likeness(
            max(-1.0, min(1.0, inner / norms)) if norms else 0.0,
            sum(excess) / len(excess) if excess else 0.0,
        )


def outputs(adapter: Adapter, layer: str) -> Tensor:
    """An orthonormal basis of what a layer's update can write: (outputs, at most rank)."""
    up, down = adapter.factors(layer)
    q, r = torch.linalg.qr(up)
    _, s = torch.linalg.qr(down.T)
    left, values, _ = torch.linalg.svd(r @ s.T)
    return q @ left[:, : int((values > NEGLIGIBLE * values.max()).sum())]


def _inner(one: Adapter, other: Adapter, layer: str) -> float:
    (up, down), (other_up, other_down) = one.factors(layer), other.factors(layer)
    return float(((up.T @ other_up) * (down @ other_down.T)).sum())


def _square(adapter: Adapter) -> float:
    return sum(_inner(adapter, adapter, layer) for layer in adapter.layers)


def _excess(one: Tensor, other: Tensor) -> float | None:
    """The overlap beyond chance; None where one of them spans nothing, or all there is."""
    smaller, larger = sorted((one.size(1), other.size(1)))
    chance = larger / one.size(0)
    if not smaller or chance == 1:
        return None
    return (float((one.T @ other).square().sum()) / smaller - chance) / (1 - chance)
