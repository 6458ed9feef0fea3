"""Routing: which expert answers a prompt, learnt from who answered the dev prompts right."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from training_workers.engine.devtable import (
    DevTable,
)
from training_workers.engine.features import Encoded, Features, Hidden, Lexical, similarities
from training_workers.engine.neighbours import (
    Expectation,
    choose_columns,
    nearest,
    shrunken_scores,
)
from training_workers.engine.pool import BASE, ExpertPool, Prompt
from training_workers.engine.profiles import Fit, Profile

NEIGHBOURS_SHOWN = 5
LEAST_WEIGHT = 0.05
"""A model whose posterior is below this has no say: it would cost a row and change little."""


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


@dataclass(frozen=True)
class Router:
    """Estimates each model's chance to answer a prompt right, from the dev prompts like it.

    A model's score is (sum_i s_i y_i + c m(x)) / (sum_i s_i + c): its results y on the `k` nearest
    dev prompts, weighted by their similarities s, shrunk by `pseudo_count` c to what a ridge
    regression of its results on the features of all dev prompts expects for this one, m(x). The
    base answers unless an expert's score exceeds its score by `margin`. Every model's score is
    fitted from its own results alone, so leaving one out changes nothing for the others.
    `sees` says what the features are: "lexical", "hidden", or the source of a sentence encoder.

    Where every expert has a profile of what it was taught (`profiles`), an expert's score becomes
    sigmoid(b + w_1 score + w_2 fit), fitted on what was expected of dev prompts unseen: the dev
    prompts say what works, the profile which other words mean the same.
    """

    table: DevTable
    sees: str = "lexical"
    k: int = 20
    pseudo_count: float = 8.0
    margin: float = 0.0
    temperature: float = 0.05
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    stack: tuple[float, float, float] | None = None

    def scores(self, prompts: Sequence[str], pool: ExpertPool | None = None) -> NDArray[np.float64]:
        """Estimates (prompts, base and experts), between 0 and 1. `hidden` needs the pool."""
        return self._scores_and_near(prompts, pool)[0]

    def _scores_and_near(
        self, prompts: Sequence[str], pool: ExpertPool | None
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        features, known, expectation = self._fitted(pool)
        asked = features.of(prompts)
        order, near = nearest(similarities(asked, known), self.k)
        scores = shrunken_scores(order, near, self._right, expectation.of(asked), self.pseudo_count)
        if self.stack is not None and self.profiled is not None:
            scores = stacked(scores, self.profiled.of(prompts), self.stack)
        return scores, order, near

    @cached_property
    def profiled(self) -> Fit | None:
        """How well questions fit the experts' profiles; None where not all have one."""
        if self.stack is None:
            return None
        return Fit((self.profiles[name] for name in self.table.experts), self.table.prompts)

    @cached_property
    def _right(self) -> NDArray[np.float64]:
        return self.table.matrix(self.table.models)

    def _fitted(self, pool: ExpertPool | None) -> tuple[Features, Any, Expectation]:
        kept: dict[str, Any] = self.__dict__
        if "fitted" not in kept:
            features = see(self.sees, self.table.prompts, pool)
            known = features.of(self.table.prompts)
            kept["fitted"] = features, known, Expectation.fit(known, self._right)
        fitted: tuple[Features, Any, Expectation] = kept["fitted"]
        return fitted

    def route(
        self,
        prompts: Sequence[str],
        allowed: frozenset[str] | None = None,
        pool: ExpertPool | None = None,
    ) -> list[Route]:
        """The best of the base and the experts in `allowed` (all if None) for each prompt."""
        if not prompts:
            return []
        columns = self.columns(allowed)
        names = [self.table.models[column] for column in columns]
        scores, order, near = self._scores_and_near(prompts, pool)
        scores = scores[:, columns]
        chosen = choose_columns(scores, self.margin)
        return [
            self._route(names, scores[row], int(chosen[row]), order[row], near[row])
            for row in range(len(prompts))
        ]

    def columns(self, allowed: frozenset[str] | None) -> list[int]:
        """Where the base and the allowed experts stand among the models."""
        return [
            column
            for column, name in enumerate(self.table.models)
            if name == BASE or allowed is None or name in allowed
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

    def posterior(self, route: Route, most: int) -> dict[str, float]:
        """Weights of the models that may have a say, at most `most` of them; they sum to 1.

        softmax(score / temperature) over the models of the route, without the improbable ones.
        """
        names = list(route.scores)
        weights = softmax(np.array([route.scores[name] for name in names]) / self.temperature)
        best = sorted(range(len(names)), key=lambda at: -weights[at])[:most]
        said = [at for at in best if weights[at] >= LEAST_WEIGHT] or best[:1]
        kept = {names[at]: float(weights[at]) for at in said}
        total = sum(kept.values())
        return {name: weight / total for name, weight in kept.items()}

    def without(self, rows: Sequence[int]) -> Self:
        """The same router as if it had not seen these rows of its table."""
        held = set(rows)
        kept = [row for row in range(len(self.table.prompts)) if row not in held]
        return replace(self, table=self.table.rows(kept))

    def on(self, table: DevTable) -> Self:
        """The same settings on another table."""
        return replace(self, table=table)

    def state(self) -> dict[str, Any]:
        """What `Router(**state)` needs, as JSON; the features follow from the prompts."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> "Router":
        stack = state.get("stack")
        return cls(
            **{
                **state,
                "table": DevTable(**state["table"]),
                "stack": tuple(stack) if stack else None,
            }
        )


def stacked(
    scores: NDArray[np.float64], fit: NDArray[np.float64], stack: Sequence[float]
) -> NDArray[np.float64]:
    """sigmoid(b + w_1 score + w_2 fit) of every model (asked, models); the base's fit is 0."""
    bias, of_score, of_fit = stack
    fits = np.concatenate([np.zeros((len(fit), 1)), fit], axis=1)
    chances: NDArray[np.float64] = expit(bias + of_score * scores + of_fit * fits).round(9)
    return chances


def see(sees: str, prompts: Sequence[str], pool: ExpertPool | None) -> Features:
    """Features fitted on `prompts`. Raises ValueError where hidden states need a pool."""
    if sees == "lexical":
        return Lexical(prompts)
    if sees != "hidden":
        return Encoded(sees)
    if pool is None:
        raise ValueError("A router that sees hidden states needs the pool that computes them.")
    return Hidden(prompts, pool)


@dataclass(frozen=True)
class LikelihoodRouter(Router):
    """Sees how likely the prompt's own text is under each expert, beside the base.

    A model's score is the logistic regression (Platt 1999) of its dev results on
    log p_e(x) - log p_0(x), in nats a token; the base, and an expert that is not in the pool, have
    their means.
    """

    sees: str = "likelihood"
    KIND: ClassVar[str] = "likelihood"

    def _scores_and_near(
        self, prompts: Sequence[str], pool: ExpertPool | None
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        if pool is None:
            raise ValueError("A router that sees likelihoods needs the pool that computes them.")
        known: dict[str, NDArray[np.float64]] = self.__dict__.setdefault("known", {})
        here = [name for name in self.table.experts if name in pool.names]
        new = [name for name in here if name not in known]
        known.update(zip(new, advantages(pool, self.table.prompts, new).T, strict=True))
        scores = np.tile(self._right.mean(axis=0), (len(prompts), 1))
        for name, asked in zip(here, advantages(pool, prompts, here).T, strict=True):
            at = self.table.models.index(name)
            scores[:, at] = platt(known[name], self._right[:, at], asked)
        nobody = np.zeros((len(prompts), 0))
        return scores, nobody.astype(np.intp), nobody


def advantages(
    pool: ExpertPool, prompts: Sequence[str], experts: Sequence[str]
) -> NDArray[np.float64]:
    """log p_e(x) - log p_0(x) of each prompt's own text, in nats a token: (prompts, experts)."""
    base = np.array(pool.prompt_likelihoods([Prompt(text, None) for text in prompts]))
    rows = [
        np.array(pool.prompt_likelihoods([Prompt(text, name) for text in prompts])) - base
        for name in experts
    ]
    return np.array(rows).reshape(len(experts), len(prompts)).T


def platt(
    known: NDArray[np.float64], right: NDArray[np.float64], asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Chances at `asked` by logistic regression of `right` on `known`; the mean where all
    agree."""
    if right.min() == right.max():
        return np.full(len(asked), right.mean())
    spread = max(float(known.std()), 1e-9)
    fitted = LogisticRegression().fit(known[:, None] / spread, right)
    chances: NDArray[np.float64] = fitted.predict_proba(asked[:, None] / spread)[:, 1]
    return chances


def load_router(state: dict[str, Any]) -> Router:
    """The router that `Router.state` described."""
    kind = LikelihoodRouter if state.get("sees") == LikelihoodRouter.KIND else Router
    return kind.of_state(state)
