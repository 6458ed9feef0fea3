"""Paired bootstrap over items, stratified by priority, and McNemar's exact test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95
AT_ONCE = 1_000
"""Resamples drawn in one go: their counts take 8 bytes an item and resample."""


@dataclass(frozen=True)
class Estimate:
    """A mean, or a difference of means, and its interval of 95 %."""

    score: float
    low: float
    high: float


class Bootstrap:
    """Resampled means of several models on the same items.

    `right` is (items, models), `groups` the priority of each item. Each resample draws, within
    every priority, as many items as there are, the same ones for all models (Efron & Tibshirani
    1993, ch. 8 and 13). Priorities weigh as `weights` says, by their number of items if None.
    """

    def __init__(
        self,
        right: NDArray[np.float64],
        groups: Sequence[str],
        weights: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        random = np.random.default_rng(seed)
        of_group = np.array(groups)
        names = sorted(set(groups))
        sizes = {name: float((of_group == name).sum()) for name in names}
        shares = sizes if weights is None else {n: weights.get(n, 0.0) for n in names}
        if sum(shares.values()) == 0:
            shares = dict.fromkeys(names, 1.0)
        total = sum(shares.values())
        self.means: dict[str, NDArray[np.float64]] = {}
        self.resampled: dict[str, NDArray[np.float64]] = {}
        for name in names:
            rows = right[of_group == name]
            self.means[name] = rows.mean(axis=0)
            self.resampled[name] = np.concatenate(
                [_resampled(rows, AT_ONCE, random) for _ in range(RESAMPLES // AT_ONCE)]
            )
        self.sizes = {name: int(size) for name, size in sizes.items()}
        self.shares = {name: shares[name] / total for name in names}
        share = np.array(list(self.shares.values()))
        self.mean = np.tensordot(share, np.array(list(self.means.values())), axes=1)
        self.overall = np.tensordot(share, np.array(list(self.resampled.values())), axes=1)

    def score(self, model: int, group: str | None = None) -> Estimate:
        """The mean of a model (by column), on one priority or on all.

        Within a priority Wilson's interval, which has a width even where all items were right;
        over priorities the one recovered from these (MOVER: Zou & Donner 2008).
        """
        parts = self.shares if group is None else {group: 1.0}
        mean = sum(share * float(self.means[name][model]) for name, share in parts.items())
        below = above = 0.0
        for name, share in parts.items():
            one = float(self.means[name][model])
            low, high = wilson(round(one * self.sizes[name]), self.sizes[name])
            below += (share * (one - low)) ** 2
            above += (share * (high - one)) ** 2
        return Estimate(mean, max(0.0, mean - sqrt(below)), min(1.0, mean + sqrt(above)))

    def difference(self, model: int, other: int, group: str | None = None) -> Estimate:
        """By how much the mean of `model` exceeds that of `other`, on the same items."""
        means = self.mean if group is None else self.means[group]
        resampled = self.overall if group is None else self.resampled[group]
        return _estimate(
            float(means[model] - means[other]), resampled[:, model] - resampled[:, other]
        )

    def standard_error(self, model: int, other: int) -> float:
        """Of the difference over all priorities."""
        return float((self.overall[:, model] - self.overall[:, other]).std(ddof=1))


def _resampled(
    rows: NDArray[np.float64], resamples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Means (resamples, models) of as many draws with replacement as there are rows."""
    n = len(rows)
    counts = random.multinomial(n, np.full(n, 1 / n), resamples)
    means: NDArray[np.float64] = counts @ rows / n
    return means


def _estimate(score: float, resampled: NDArray[np.float64]) -> Estimate:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Estimate(score, float(low), float(high))


def mcnemar(one: Sequence[bool], other: Sequence[bool]) -> float:
    """Two-sided exact p of McNemar's test that two models are right equally often.

    Given n items on which just one is right, the count of either is Binomial(n, 1/2).
    """
    only_one = sum(a and not b for a, b in zip(one, other, strict=True))
    only_other = sum(b and not a for a, b in zip(one, other, strict=True))
    n = only_one + only_other
    tail: int = sum(comb(n, k) for k in range(min(only_one, only_other) + 1))
    return min(1.0, 2 * tail / 2**n)


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, `right` of `n` (Wilson 1927). (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
