"""Nearest neighbours of prompts, and what they say about each model."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

RIDGE = 2.0
"""Of prompts of length sqrt(2), so as much as the prompt itself weighs."""


def nearest(
    similarity: NDArray[np.float64], k: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The columns of the k largest values of each row and these values, largest first.

    Equal values come in the order of the columns.
    """
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(similarity, order, axis=1)


@dataclass(frozen=True)
class Expectation:
    """Ridge regression of each model's results on the features of the dev prompts.

    min_w |y - mean(y) - X w|^2 + RIDGE |w|^2 for each model apart (Hoerl & Kennard 1970), by
    conjugate gradients, which take X sparse or dense. `weights` is (models, features), `means`
    (models,).
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]

    @classmethod
    def fit(cls, known: Any, right: NDArray[np.float64]) -> Self:
        """`known` is (dev, features), `right` (dev, models)."""
        means = right.mean(axis=0)
        ridge = Ridge(alpha=RIDGE, fit_intercept=False, solver="sparse_cg", tol=1e-6)
        weights = [ridge.fit(known, right[:, at] - mean).coef_ for at, mean in enumerate(means)]
        return cls(np.array(weights), means)

    def of(self, asked: Any) -> NDArray[np.float64]:
        """The expected results (asked, models), between 0 and 1."""
        expected: NDArray[np.float64] = (asked @ self.weights.T + self.means).clip(0, 1)
        return expected.round(9)


def shrunken_scores(
    order: NDArray[np.intp],
    weights: NDArray[np.float64],
    right: NDArray[np.float64],
    expected: NDArray[np.float64],
    pseudo_count: float,
) -> NDArray[np.float64]:
    """Scores (asked, models) from neighbours (asked, k), results `right` (dev, models) and what is
    `expected` (asked, models) without neighbours."""
    solved = np.einsum("ak,akm->am", weights, right[order])
    total = weights.sum(axis=1, keepdims=True)
    return (solved + pseudo_count * expected) / (total + pseudo_count)


def choose_columns(scores: NDArray[np.float64], margin: float) -> NDArray[np.intp]:
    """The best column of each row, or the first, the base, if none exceeds it by `margin`."""
    best = scores.argmax(axis=1)
    ahead = scores.max(axis=1) - scores[:, 0] > margin
    return np.where(ahead, best, 0)
