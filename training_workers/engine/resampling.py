"""How surely a model is better: the paired bootstrap, intervals of shares and of their differences,
McNemar's exact test, and Holm's correction where many are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
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
        self.rows = {name: right[of_group == name] for name in names}
        shares = sizes if weights is None else {n: weights.get(n, 0.0) for n in names}
        if sum(shares.values()) == 0:
            shares = dict.fromkeys(names, 1.0)
        total = sum(shares.values())
        self.means: dict[str, NDArray[np.float64]] = {}
        self.resampled: dict[str, NDArray[np.float64]] = {}
        for name in names:
            rows = self.rows[name]
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
            low, high = wilson(one * self.sizes[name], self.sizes[name])
            below += (share * (one - low)) ** 2
            above += (share * (high - one)) ** 2
        return Estimate(mean, max(0.0, mean - sqrt(below)), min(1.0, mean + sqrt(above)))

    def difference(self, model: int, other: int, group: str | None = None) -> Estimate:
        """By how much the mean of `model` exceeds that of `other`, on the same items.

        The interval is the bootstrap's, or on either side the one of Newcombe's method 10 where
        that is wider: resampling 8 of 8 against 0 of 8 gives a width of 0, as if 8 were many. Over
        priorities that one is recovered from theirs (MOVER), as for `score`.
        """
        means = self.mean if group is None else self.means[group]
        resampled = self.overall if group is None else self.resampled[group]
        score = float(means[model] - means[other])
        drawn = _estimate(score, resampled[:, model] - resampled[:, other])
        parts = self.shares if group is None else {group: 1.0}
        below = above = 0.0
        for name, share in parts.items():
            one = newcombe(self.rows[name][:, model], self.rows[name][:, other])
            below += (share * (one.score - one.low)) ** 2
            above += (share * (one.high - one.score)) ** 2
        return Estimate(
            score,
            max(-1.0, min(drawn.low, score - sqrt(below))),
            min(1.0, max(drawn.high, score + sqrt(above))),
        )

    def average(self, column: int) -> Estimate:
        """The mean of any value an item, right or not, by the bootstrap alone."""
        return _estimate(float(self.mean[column]), self.overall[:, column])

    def relative_gain(self, model: int, other: int) -> dict[str, float | None] | None:
        """mean(model) / mean(other) - 1 over all priorities, by the bootstrap alone.

        None where `other` scores 0. `high` is None where that is so in too many of the resamples
        for a bound; one in which both score 0 counts as no gain.
        """
        if self.mean[other] == 0:
            return None
        one, another = self.overall[:, model], self.overall[:, other]
        none = np.where(one > 0, np.inf, 1.0)
        ratios = np.divide(one, another, out=none, where=another > 0)
        low, high = np.quantile(ratios - 1, TAILS, method="inverted_cdf").tolist()
        return {
            "score": float(self.mean[model] / self.mean[other] - 1),
            "low": low,
            "high": high if np.isfinite(high) else None,
        }

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
    low, high = np.quantile(resampled, TAILS)
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


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number, in the order given (Holm 1979).

    The i-th smallest of m becomes the largest of (m - j + 1) p_j over j <= i, at most 1. Calling
    those below 5 % significant errs at all in at most 5 % of cases.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = largest
    return corrected


def newcombe(one: NDArray[np.float64], other: NDArray[np.float64]) -> Estimate:
    """The difference of two paired shares, by method 10 of Newcombe (1998, Stat. Med. 17:2635).

    With the distances d from each share to the ends of its Wilson interval, the difference reaches
    down by sqrt(d1^2 - 2 phi d1 d2 + d2^2). phi is the correlation of the results, a positive one
    less a continuity correction, 0 where it has no meaning. Results between 0 and 1, by F1 or as
    means of several trials on an item, only make phi smaller and the interval wider.
    """
    n = len(one)
    first, second = float(one.mean()), float(other.mean())
    covariance = float((one * other).mean()) - first * second
    if covariance > 0:
        covariance = max(0.0, covariance - 1 / (2 * n))
    scale = sqrt(first * (1 - first) * second * (1 - second))
    phi = covariance / scale if scale > 0 else 0.0
    low_1, high_1 = wilson(first * n, n)
    low_2, high_2 = wilson(second * n, n)

    def reach(mine: float, theirs: float) -> float:
        return sqrt(max(0.0, mine * mine - 2 * phi * mine * theirs + theirs * theirs))

    score = first - second
    return Estimate(
        score,
        score - reach(first - low_1, high_2 - second),
        score + reach(high_1 - first, second - low_2),
    )


def wilson(right: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, `right` of `n` (Wilson 1927). (0, 1) where n is 0.

    `right` may be a sum of values between 0 and 1: scores by F1, or means of several trials on an
    item. They vary less than right and wrong do at the same mean, so the interval is wide enough.
    """
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)
