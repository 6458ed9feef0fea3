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
    folds,
    priority_means,
    wording_folds,
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

FOLDS = 5
NEIGHBOURS = (5, 10, 20, 40)
PSEUDO_COUNTS = (0.5, 2.0, 8.0, 32.0)
MARGINS = (0.0, 0.05)
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.2)
NEIGHBOURS_SHOWN = 5
WORTH_PASSES = 0.05
"""The share of prompts that an oracle must solve beyond the router before it looks further."""
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


def fit_stack(
    held_out: NDArray[np.float64], fit: NDArray[np.float64], right: NDArray[np.float64]
) -> tuple[float, float, float] | None:
    """b, w_1, w_2 over all dev prompts and experts; None where all results are alike."""
    experts = right[:, 1:].ravel()
    if len(set(experts.tolist())) < 2:
        return None
    features = np.stack([held_out[:, 1:].ravel(), fit.ravel()], axis=1)
    fitted = LogisticRegression(C=100.0).fit(features, experts)
    of_score, of_fit = fitted.coef_[0]
    return float(fitted.intercept_[0]), float(of_score), float(of_fit)


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


@dataclass(frozen=True)
class Tuned:
    """A router and what it expected of each dev prompt when it had not seen it.

    `held_out` is (prompts, base and experts); `solved` the results of the routes (prompts,).
    """

    router: Router
    held_out: NDArray[np.float64]
    solved: NDArray[np.float64]


def tune_router(
    table: DevTable,
    weights: Mapping[str, float] | None = None,
    sees: Sequence[str] = ("lexical",),
    pool: ExpertPool | None = None,
    profiles: Mapping[str, Profile] | None = None,
) -> Tuned:
    """The router that scores best in cross-validation within `table`.

    What it may see is tried in the order given. What comes later costs forward passes, so it is
    tried only while an oracle's routes would solve so many more prompts that it may be worth it,
    and taken only if it is better by more than one standard error.
    """
    right = table.matrix(table.models)
    best: Tuned | None = None
    for one in sees:
        if best is not None and (right.max(axis=1) - best.solved).mean() < WORTH_PASSES:
            break
        tune = _tune_likelihood if one == LikelihoodRouter.KIND else _tune
        tuned = tune(table, weights, one, pool)
        if best is None or _behind(best.solved, tuned.solved):
            best = tuned
    assert best is not None
    if profiles and best.router.sees != LikelihoodRouter.KIND:
        named = {name: profiles[name] for name in table.experts}
        best = _with_profiles(best, named, right, pool)
    heat = _temperature(best.held_out, right)
    return replace(best, router=replace(best.router, temperature=heat))


def _behind(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether `other` solves more prompts than `one`, by more than one standard error."""
    ahead = other - one
    return bool(ahead.mean() > ahead.std(ddof=min(1, len(ahead) - 1)) / np.sqrt(len(ahead)))


def _with_profiles(
    tuned: Tuned,
    profiles: Mapping[str, Profile],
    right: NDArray[np.float64],
    pool: ExpertPool | None,
) -> Tuned:
    """The router with profiles stacked on it.

    How much they count is fitted on every prompt twice: as one like others that the router knows,
    and as one whose wording it has not seen.
    """
    table = tuned.router.table
    fit = Fit((profiles[name] for name in table.experts), table.prompts).of(table.prompts)
    unseen = np.array(tuned.held_out)
    for held, kept in _splits(wording_folds(table.prompts, table.groups, FOLDS)):
        router = tuned.router.on(table.rows(kept.tolist()))
        unseen[held] = router.scores([table.prompts[row] for row in held], pool)
    stack = fit_stack(
        np.concatenate([tuned.held_out, unseen]),
        np.concatenate([fit, fit]),
        np.concatenate([right, right]),
    )
    if stack is None:
        return tuned
    scores = stacked(tuned.held_out, fit, stack)
    router = replace(tuned.router, profiles=profiles, stack=stack, margin=0.0)
    solved = right[np.arange(len(right)), choose_columns(scores, 0.0)]
    return Tuned(router, scores, solved)


def _tune(
    table: DevTable, weights: Mapping[str, float] | None, sees: str, pool: ExpertPool | None
) -> Tuned:
    right = table.matrix(table.models)
    known = see(sees, table.prompts, pool).of(table.prompts)
    similarity = similarities(known, known)
    settings = [(k, count) for k in NEIGHBOURS for count in PSEUDO_COUNTS]
    scores = np.zeros((len(settings), *right.shape))
    scores[:] = right.mean(axis=0)
    for held, kept in _splits(folds(table.groups, FOLDS)):
        order, near = nearest(similarity[np.ix_(held, kept)], max(NEIGHBOURS))
        expected = Expectation.fit(known[kept], right[kept]).of(known[held])
        for at, (k, count) in enumerate(settings):
            scores[at, held] = shrunken_scores(
                order[:, :k], near[:, :k], right[kept], expected, count
            )
    trials = [(at, margin) for at in range(len(settings)) for margin in MARGINS]
    rows = np.arange(len(right))
    solved = np.array([right[rows, choose_columns(scores[at], m)] for at, m in trials]).T
    means = priority_means(solved, table.groups, weights)
    best = int(means.argmax())
    at, margin = trials[best]
    k, count = settings[at]
    return Tuned(Router(table, sees, k, count, margin), scores[at], solved[:, best])


def _tune_likelihood(
    table: DevTable, weights: Mapping[str, float] | None, sees: str, pool: ExpertPool | None
) -> Tuned:
    if pool is None:
        raise ValueError("A router that sees likelihoods needs the pool that computes them.")
    right = table.matrix(table.models)
    known = advantages(pool, table.prompts, table.experts)
    scores = np.tile(right.mean(axis=0), (len(right), 1))
    for held, kept in _splits(folds(table.groups, FOLDS)):
        for at in range(len(table.experts)):
            scores[held, at + 1] = platt(known[kept, at], right[kept, at + 1], known[held, at])
    solved = right[np.arange(len(right)), choose_columns(scores, 0.0)]
    return Tuned(LikelihoodRouter(table), scores, solved)


def _splits(fold: NDArray[np.int64]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(held out, kept) rows of each fold that has both."""
    pairs = [(np.flatnonzero(fold == one), np.flatnonzero(fold != one)) for one in range(FOLDS)]
    return [(held, kept) for held, kept in pairs if len(held) and len(kept)]


def _temperature(held_out: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """The temperature whose posterior puts most weight on models that were right.

    argmax_T mean_x log(sum_e softmax(score / T)_e y_e(x)), over prompts that somebody solved.
    """
    solved = right.max(axis=1) > 0
    if not solved.any():
        return Router.temperature

    def fit(heat: float) -> float:
        weights = softmax(held_out[solved] / heat, axis=1)
        return float(np.log((weights * right[solved]).sum(axis=1) + 1e-9).mean())

    return max(TEMPERATURES, key=fit)
