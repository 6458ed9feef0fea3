"""Routing: which expert answers a prompt, learnt from who answered the dev prompts right."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training_workers.engine.neighbours import (
    Expectation,
    Features,
    choose_columns,
    nearest,
    shrunken_scores,
)

BASE = ""
"""The base's name in a table of who answered right."""

FILE = "strategy.json"
NEIGHBOURS_SHOWN = 5


@dataclass(frozen=True)
class DevTable:
    """Dev prompts and who answered them right.

    `groups` names the priority of each prompt; `correct` has a list, as long as `prompts`, for
    the base ("") and every expert.
    """

    prompts: list[str]
    groups: list[str]
    correct: dict[str, list[bool]]

    def __post_init__(self) -> None:
        if BASE not in self.correct:
            raise ValueError('The table has no row for the base ("").')
        lengths = {len(self.prompts), len(self.groups), *map(len, self.correct.values())}
        if lengths != {len(self.prompts)} or not self.prompts:
            raise ValueError("A table needs prompts, and a group and a result for each of them.")

    @property
    def experts(self) -> list[str]:
        return sorted(name for name in self.correct if name != BASE)

    def rows(self, chosen: Sequence[int]) -> "DevTable":
        """The part of the table at these positions."""
        return DevTable(
            [self.prompts[row] for row in chosen],
            [self.groups[row] for row in chosen],
            {name: [right[row] for row in chosen] for name, right in self.correct.items()},
        )

    def joined(self, other: "DevTable") -> "DevTable":
        """This table and another of the same experts."""
        return DevTable(
            self.prompts + other.prompts,
            self.groups + other.groups,
            {name: right + other.correct[name] for name, right in self.correct.items()},
        )

    def matrix(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Results (prompts, names), 1 for right."""
        return np.array([self.correct[name] for name in names], dtype=np.float64).T


@dataclass(frozen=True)
class Neighbour:
    """A dev prompt like the one asked; `solved_by` are the models that answered it right."""

    prompt: str
    group: str
    similarity: float
    solved_by: list[str]


@dataclass(frozen=True)
class Route:
    """Where a prompt goes, and why; expert None is the base alone.

    `scores` estimate each model's chance to answer right ("" is the base); `confidence` is the
    score of the chosen one.
    """

    expert: str | None
    confidence: float
    scores: dict[str, float]
    neighbours: list[Neighbour]
    reason: str


class Strategy(Protocol):
    """A way to choose an expert for a prompt, for any subset of the experts it was fitted on."""

    name: ClassVar[str]

    def route(self, prompt: str, allowed: frozenset[str] | None = None) -> Route: ...

    def route_many(
        self, prompts: Sequence[str], allowed: frozenset[str] | None = None
    ) -> list[Route]: ...

    def save(self, folder: Path) -> None: ...


def _admitted(experts: Sequence[str], allowed: frozenset[str] | None) -> list[str]:
    """The base and the experts that may be chosen, the base first."""
    return [BASE, *(name for name in experts if allowed is None or name in allowed)]


def _write(folder: Path, state: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")


def _read(folder: Path, name: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((folder / FILE).read_text(encoding="utf-8"))
    if state.pop("name") != name:
        raise ValueError(f"{folder} does not hold a {name} strategy.")
    return state


@dataclass(frozen=True)
class BestSingle:
    """Sends every prompt to the one model with the best dev score; the base if none beats it."""

    name: ClassVar[str] = "best_single"
    scores: dict[str, float]

    @classmethod
    def fit(cls, table: DevTable, weights: Mapping[str, float] | None = None) -> "BestSingle":
        """Scores are means over the priorities, weighted by `weights` (equal if None)."""
        names = [BASE, *table.experts]
        values = priority_means(table.matrix(names), table.groups, weights)
        return cls(dict(zip(names, values.tolist(), strict=True)))

    def route(self, prompt: str, allowed: frozenset[str] | None = None) -> Route:
        names = _admitted(sorted(set(self.scores) - {BASE}), allowed)
        best = max(names, key=lambda name: self.scores[name])
        scores = {name: self.scores[name] for name in names}
        reason = "It has the best score over all priorities."
        return Route(best or None, scores[best], scores, [], reason)

    def route_many(
        self, prompts: Sequence[str], allowed: frozenset[str] | None = None
    ) -> list[Route]:
        return [self.route(prompt, allowed) for prompt in prompts]

    def save(self, folder: Path) -> None:
        _write(folder, {"name": self.name, "scores": self.scores})

    @classmethod
    def load(cls, folder: Path) -> "BestSingle":
        return cls(**_read(folder, cls.name))


@dataclass(frozen=True)
class Nearest:
    """Looks who was right on the `k` dev prompts nearest to the one asked.

    A model's score is (sum_i s_i y_i + c m(x)) / (sum_i s_i + c): its results y weighted by the
    similarities s of the neighbours, shrunk by `pseudo_count` c to what a ridge regression of its
    results on the words of all dev prompts expects for this one, m(x). The base answers unless an
    expert's score exceeds its score by `margin`. Every model's score is fitted from its own
    results alone, so leaving one out changes nothing for the others.
    """

    name: ClassVar[str] = "nearest"
    table: DevTable
    k: int = 20
    pseudo_count: float = 8.0
    margin: float = 0.0

    @classmethod
    def fit(
        cls, table: DevTable, k: int = 20, pseudo_count: float = 8.0, margin: float = 0.0
    ) -> "Nearest":
        return cls(table, k, pseudo_count, margin)

    @cached_property
    def _features(self) -> Features:
        return Features(self.table.prompts)

    @cached_property
    def _known(self) -> csr_matrix:
        return self._features.of(self.table.prompts)

    @cached_property
    def _expectation(self) -> "Expectation":
        names = [BASE, *self.table.experts]
        return Expectation.fit(self._known, self.table.matrix(names))

    def route(self, prompt: str, allowed: frozenset[str] | None = None) -> Route:
        return self.route_many([prompt], allowed)[0]

    def route_many(
        self, prompts: Sequence[str], allowed: frozenset[str] | None = None
    ) -> list[Route]:
        if not prompts:
            return []
        names = _admitted(self.table.experts, allowed)
        right = self.table.matrix(names)
        asked = self._features.of(prompts)
        order, weights = nearest(self._features.similarities(asked, self._known), self.k)
        everybody = [BASE, *self.table.experts]
        expected = self._expectation.of(asked)[:, [everybody.index(name) for name in names]]
        scores = shrunken_scores(order, weights, right, expected, self.pseudo_count)
        chosen = choose_columns(scores, self.margin)
        return [
            self._route(names, scores[row], int(chosen[row]), order[row], weights[row])
            for row in range(len(prompts))
        ]

    def _route(
        self,
        names: list[str],
        scores: NDArray[np.float64],
        chosen: int,
        order: NDArray[np.intp],
        weights: NDArray[np.float64],
    ) -> Route:
        near = [
            Neighbour(
                prompt=self.table.prompts[row],
                group=self.table.groups[row],
                similarity=float(weight),
                solved_by=[name for name in names if self.table.correct[name][row]],
            )
            for row, weight in zip(order[:NEIGHBOURS_SHOWN], weights, strict=False)
            if weight > 0
        ]
        if not near:
            reason = "No known example is like this question; the scores are those over all."
        elif chosen == 0:
            reason = "No expert did better than the base on the examples most like this question."
        else:
            reason = "It did best on the examples most like this question."
        return Route(
            expert=names[chosen] or None,
            confidence=float(scores[chosen]),
            scores=dict(zip(names, scores.tolist(), strict=True)),
            neighbours=near,
            reason=reason,
        )

    def save(self, folder: Path) -> None:
        _write(folder, {"name": self.name, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> "Nearest":
        """The features follow from the prompts, so the table is all that needs to be kept."""
        state = _read(folder, cls.name)
        return cls(**{**state, "table": DevTable(**state["table"])})


def load_strategy(folder: Path) -> Strategy:
    """The strategy that was saved in `folder`. Raises ValueError if it is of no known kind."""
    name = json.loads((folder / FILE).read_text(encoding="utf-8")).get("name")
    for kind in (BestSingle, Nearest):
        if kind.name == name:
            return kind.load(folder)
    raise ValueError(f"There is no strategy called {name!r}.")


def priority_means(
    right: NDArray[np.float64], groups: Sequence[str], weights: Mapping[str, float] | None
) -> NDArray[np.float64]:
    """Mean results (models,) over priorities, each weighing as `weights` says (equally if None).

    `right` is (prompts, models). A priority without a weight does not count, unless none has one.
    """
    names = sorted(set(groups))
    shares = np.array([1.0 if weights is None else weights.get(name, 0.0) for name in names])
    if shares.sum() == 0:
        shares = np.ones(len(names))
    of_group = np.array(groups)
    means = np.array([right[of_group == name].mean(axis=0) for name in names])
    mean: NDArray[np.float64] = shares @ means / shares.sum()
    return mean
