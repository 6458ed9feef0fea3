"""Tuning a router: what it sees and its settings, by cross-validation on the dev prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from training_workers.engine.devtable import (
    DevTable,
    folds,
    hopeless,
    in_turns,
    priority_means,
    wording_folds,
)
from training_workers.engine.features import similarities
from training_workers.engine.neighbours import (
    Expectation,
    choose_columns,
    nearest,
    shrunken_scores,
)
from training_workers.engine.pool import ExpertPool
from training_workers.engine.profiles import Fit, Profile
from training_workers.engine.routing import (
    LikelihoodRouter,
    Router,
    advantages,
    platt,
    see,
    stacked,
)

FOLDS = 5
NEIGHBOURS = (5, 10, 20, 40)
PSEUDO_COUNTS = (0.5, 2.0, 8.0, 32.0)
MARGINS = (0.0, 0.05)
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.2)
FIRST_HEAT = 48
"""Prompts that a router is first tried on if each costs a pass an expert."""
WORTH_PASSES = 0.05
"""The share of prompts that an oracle must solve beyond the router before it looks further."""


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
        if one == LikelihoodRouter.KIND:
            tuned = _tune_likelihood(table, pool, best)
        else:
            tuned = _tune(table, weights, one, pool)
        if tuned is not None and (best is None or _behind(best.solved, tuned.solved)):
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


def _tune_likelihood(table: DevTable, pool: ExpertPool | None, rival: Tuned | None) -> Tuned | None:
    """None if it is not ahead of its rival on the first prompts: each costs a pass an expert."""
    if pool is None:
        raise ValueError("A router that sees likelihoods needs the pool that computes them.")
    order = in_turns(table.groups)
    first, others = order[:FIRST_HEAT], order[FIRST_HEAT:]
    known = np.zeros((len(table.prompts), len(table.experts)))
    known[first] = advantages(pool, [table.prompts[row] for row in first], table.experts)
    if rival is not None and len(others):
        heat = _held_out_likelihood(table.rows(first.tolist()), known[first])
        if hopeless(heat.solved, rival.solved[first], dearer=True):
            return None
    known[others] = advantages(pool, [table.prompts[row] for row in others], table.experts)
    return _held_out_likelihood(table, known)


def _held_out_likelihood(table: DevTable, known: NDArray[np.float64]) -> Tuned:
    right = table.matrix(table.models)
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
