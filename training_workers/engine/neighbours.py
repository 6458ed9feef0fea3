"""Nearest neighbours of prompts, and what they say about each model."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.kernel_ridge import KernelRidge

from training_workers.engine.features import products

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

    min_w |y - mean(y) - X w|^2 + RIDGE |w|^2 for each model apart (Hoerl & Kennard 1970), solved in
    its dual, w = X' (X X' + RIDGE)^-1 (y - mean(y)) (Saunders et al. 1998): one factorisation for
    all models, of dev x dev. `known` is X (dev, features), sparse or dense, `duals` (dev, models),
    `means` (models,).
    """

    known: Any
    duals: NDArray[np.float64]
    means: NDArray[np.float64]

    @classmethod
    def fit(cls, known: Any, right: NDArray[np.float64]) -> Self:
        """`known` is (dev, features), `right` (dev, models)."""
        means = right.mean(axis=0)
        ridge = KernelRidge(alpha=RIDGE, kernel="precomputed")
        return cls(known, ridge.fit(products(known, known), right - means).dual_coef_, means)

    def of(self, asked: Any) -> NDArray[np.float64]:
        """The expected results (asked, models), between 0 and 1."""
        expected = products(asked, self.known) @ self.duals + self.means
        return expected.clip(0, 1).round(9)


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
