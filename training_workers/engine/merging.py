"""One adapter out of several, by arithmetic on their updates dW = B A (a task vector a layer).

- `weighted_sum`: sum_e w_e dW_e, exactly, at the sum of the ranks. LoRAs add up by concatenation,
  sum_e w_e B_e A_e = [w_1 B_1, ..., w_n B_n] [A_1; ...; A_n]. Averaging the factors instead, as
  `combination_type="linear"` of PEFT does, leaves cross terms B_i A_j of experts that never met.
- `compressed`: the same update at a lower rank, as close as that rank allows.
- `ties`: TIES-merging, for experts that pull the same entries in different directions.

All adapters of a call belong to one base. An expert without a layer adds 0 there. Nothing depends
on the order of the experts beyond rounding.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite, sqrt

import torch
from torch import Tensor
from torch.nn.functional import pad

from training_workers.engine.adapters import PREFIX, Adapter


def weighted_sum(adapters: Sequence[Adapter], weights: Sequence[float]) -> Adapter:
    """sum_e w_e dW_e; its rank is the sum of the ranks of the adapters whose weight is not 0.

    Raises ValueError if the weights are not as many as the adapters, not finite, or all 0.
    """
    parts = _weighed(adapters, weights)
    rank = sum(adapter.rank for adapter, _ in parts)
    factors = {}
    for layer, updates in _updates(parts):
        up = torch.cat([b * weight for b, _, weight in updates], dim=1)
        factors[layer] = up, torch.cat([a for _, a, _ in updates])
    return _adapter(factors, rank)


def compressed(adapter: Adapter, rank: int) -> tuple[Adapter, float]:
    """The nearest update of at most `rank` in every layer, and its relative Frobenius error
    sqrt(sum_layers |dW - dW'|^2 / sum_layers |dW|^2).

    With B = Q R and A' = P S, the singular values of dW are those of the small core R S', and
    cutting them off is optimal (Eckart & Young 1936). dW itself is never formed. An adapter whose
    rank is no higher comes back as it is. Raises ValueError if `rank` is below 1.
    """
    _check_rank(rank)
    if adapter.rank <= rank:
        return adapter, 0.0
    factors, errors = {}, []
    for layer in adapter.layers:
        up, down = _factors(adapter, layer)
        q, r = torch.linalg.qr(up.double())
        p, s = torch.linalg.qr(down.double().T)
        (left, right), error = _truncated(r @ s.T, rank)
        factors[layer] = (q @ left).float(), (right @ p.T).float()
        errors.append(error)
    return _adapter(factors, rank), _relative(errors)


def ties(
    adapters: Sequence[Adapter], weights: Sequence[float], density: float, rank: int
) -> tuple[Adapter, float]:
    """TIES-merging (Yadav et al. 2023) cut to `rank`, and the relative Frobenius error of the cut.

    In every layer: trim each dW_e to the `density` of its entries that are largest in magnitude;
    elect for each entry the sign with more weighted mass (0 if they are equal); take the weighted
    mean of those that have this sign. The mean is scaled by sum_e w_e, so that where all agree
    the result is the weighted sum, and one adapter at weight 1 and density 1 gives itself back.
    Dense, but one layer of one expert at a time. Raises ValueError as `weighted_sum`, and
    if a weight is negative, `density` not in (0, 1], or `rank` below 1.
    """
    _check_rank(rank)
    if not 0 < density <= 1:
        raise ValueError(f"The density must be above 0 and at most 1, not {density}.")
    if any(weight < 0 for weight in weights):
        raise ValueError("TIES elects signs by mass: weights cannot be negative.")
    parts = _weighed(adapters, weights)
    scale = sum(weight for _, weight in parts)
    factors, errors = {}, []
    for layer, updates in _updates(parts):
        mean = _disjoint_mean((_trimmed(b @ a, density), weight) for b, a, weight in updates)
        (up, down), error = _truncated(scale * mean.double(), rank)
        factors[layer] = up.float(), down.float()
        errors.append(error)
    return _adapter(factors, rank), _relative(errors)


def _trimmed(update: Tensor, density: float) -> Tensor:
    """All but the largest `density` of the entries set to 0; entries as large as the last kept
    stay, so that no order of entries decides."""
    sizes = update.abs()
    dropped = round((1 - density) * update.numel())
    # The smallest kept is the (dropped + 1)-th smallest, and at least one is kept.
    smallest = sizes.flatten().kthvalue(min(dropped + 1, update.numel())).values
    return torch.where(sizes >= smallest, update, 0.0)


def _disjoint_mean(updates: Iterable[tuple[Tensor, float]]) -> Tensor:
    """Per entry, the weighted mean of the updates of the heavier sign; 0 counts for neither."""
    above: Tensor | float = 0.0
    below: Tensor | float = 0.0
    weight_above: Tensor | float = 0.0
    weight_below: Tensor | float = 0.0
    for update, weight in updates:
        above = above + weight * update.clamp(min=0)
        below = below + weight * update.clamp(max=0)
        weight_above = weight_above + weight * (update > 0)
        weight_below = weight_below + weight * (update < 0)
    mean = torch.where(above > -below, above / weight_above, below / weight_below)
    return torch.where(above == -below, 0.0, mean)


def _truncated(matrix: Tensor, rank: int) -> tuple[tuple[Tensor, Tensor], tuple[float, float]]:
    """The factors (rows, k) and (k, columns), k <= rank, of the nearest matrix of that rank, and
    the squared Frobenius norms of what was lost and of all."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    root = values[:rank].sqrt()
    squares = values.square()
    factors = left[:, :rank] * root, root[:, None] * right[:rank]
    return factors, (float(squares[rank:].sum()), float(squares.sum()))


def _relative(errors: Sequence[tuple[float, float]]) -> float:
    """From the squared norms of each layer; 0 for an update that is 0."""
    lost, total = (sum(column) for column in zip(*errors, strict=True))
    return sqrt(lost / total) if total else 0.0


def _adapter(factors: Mapping[str, tuple[Tensor, Tensor]], rank: int) -> Adapter:
    """From B (outputs, k) and A (k, inputs) of each layer, k <= rank, padded with zeros."""
    tensors = {}
    for layer, (up, down) in factors.items():
        missing = rank - len(down)
        tensors[_name(layer, "A")] = pad(down, (0, 0, 0, missing)).contiguous()
        tensors[_name(layer, "B")] = pad(up, (0, missing)).contiguous()
    return Adapter(rank, tensors)


def _name(layer: str, factor: str) -> str:
    return f"{PREFIX}{layer}.lora_{factor}.weight"


def _factors(adapter: Adapter, layer: str) -> tuple[Tensor, Tensor]:
    """B (outputs, rank) and A (rank, inputs)."""
    return adapter.tensors[_name(layer, "B")], adapter.tensors[_name(layer, "A")]


def _weighed(adapters: Sequence[Adapter], weights: Sequence[float]) -> list[tuple[Adapter, float]]:
    """The adapters whose weight is not 0, with it."""
    if len(adapters) != len(weights):
        raise ValueError(f"There are {len(adapters)} adapters and {len(weights)} weights.")
    if not all(isfinite(weight) for weight in weights):
        raise ValueError("A weight is not a finite number.")
    parts = [(a, w) for a, w in zip(adapters, weights, strict=True) if w != 0]
    if not parts:
        raise ValueError("No adapter has a weight: the merge is the base itself.")
    return parts


def _updates(
    parts: Sequence[tuple[Adapter, float]],
) -> Iterator[tuple[str, list[tuple[Tensor, Tensor, float]]]]:
    """Every layer, with B, A and the weight of each adapter that has it."""
    for layer in sorted({layer for adapter, _ in parts for layer in adapter.layers}):
        yield (
            layer,
            [(*_factors(a, layer), w) for a, w in parts if _name(layer, "A") in a.tensors],
        )


def _check_rank(rank: int) -> None:
    if rank < 1:
        raise ValueError(f"The rank must be at least 1, not {rank}.")
