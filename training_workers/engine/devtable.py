"""What is known on dev prompts: who answered them how, and whether that was right."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import normalize

from training_workers.engine.pool import BASE

HOPELESS = 3.0
"""Standard errors that something may be behind on the first prompts before it is given up (F-race,
Birattari et al. 2002)."""


@dataclass(frozen=True)
class DevTable:
    """Dev prompts and who answered them right.

    `groups` names the priority of each prompt; `correct` has a list, as long as `prompts`, for
    the base ("") and every expert; `answers`, where it is kept, has their answers.
    """

    prompts: list[str]
    groups: list[str]
    correct: dict[str, list[bool]]
    answers: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if BASE not in self.correct:
            raise ValueError('The table has no row for the base ("").')
        columns: list[Sequence[object]] = [*self.correct.values(), *self.answers.values()]
        lengths = {len(self.groups), *(len(column) for column in columns)}
        if lengths != {len(self.prompts)} or not self.prompts:
            raise ValueError("A table needs prompts, and a group and a result for each of them.")

    @property
    def experts(self) -> list[str]:
        return sorted(name for name in self.correct if name != BASE)

    @property
    def models(self) -> list[str]:
        """The base, then the experts."""
        return [BASE, *self.experts]

    def rows(self, chosen: Sequence[int]) -> "DevTable":
        """The part of the table at these positions."""

        def of(column: Sequence[Any]) -> list[Any]:
            return [column[row] for row in chosen]

        return DevTable(
            of(self.prompts),
            of(self.groups),
            {name: of(right) for name, right in self.correct.items()},
            {name: of(answers) for name, answers in self.answers.items()},
        )

    def only(self, models: Sequence[str]) -> "DevTable":
        """The columns of the base and these models."""
        kept = {BASE, *models}
        return DevTable(
            self.prompts,
            self.groups,
            {name: right for name, right in self.correct.items() if name in kept},
            {name: answers for name, answers in self.answers.items() if name in kept},
        )

    def joined(self, other: "DevTable") -> "DevTable":
        """This table and another of the same models."""
        return DevTable(
            self.prompts + other.prompts,
            self.groups + other.groups,
            {name: right + other.correct[name] for name, right in self.correct.items()},
            {name: answers + other.answers[name] for name, answers in self.answers.items()},
        )

    def matrix(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Results (prompts, names), 1 for right."""
        return np.array([self.correct[name] for name in names], dtype=np.float64).T


def in_turns(groups: Sequence[str]) -> NDArray[np.intp]:
    """All rows, the groups taking turns, so that the first few are some of each."""
    seen: Counter[str] = Counter()
    turns = []
    for group in groups:
        turns.append(seen[group])
        seen[group] += 1
    return np.argsort(turns, kind="stable")


def hopeless(right: NDArray[np.float64], rival: NDArray[np.float64], *, dearer: bool) -> bool:
    """Whether a rival is ahead on the same prompts by more than HOPELESS standard errors, or is
    not even behind although this is `dearer`: more prompts would hardly change the choice."""
    ahead = rival - right
    error = max(float(ahead.std(ddof=1)), 1e-9) / sqrt(len(ahead))
    return bool(ahead.mean() > HOPELESS * error or (dearer and ahead.mean() >= 0))


def priority_means(
    right: NDArray[np.float64], groups: Sequence[str], weights: Mapping[str, float] | None
) -> NDArray[np.float64]:
    """Mean results (models,) over priorities, each weighing as `weights` says (equally if None).

    `right` is (prompts, models). A priority without a weight does not count, unless none has one.
    """
    names = sorted(set(groups))
    shares = np.array([1.0 if not weights else weights.get(name, 0.0) for name in names])
    if shares.sum() == 0:
        shares = np.ones(len(names))
    of_group = np.array(groups)
    means = np.array([right[of_group == name].mean(axis=0) for name in names])
    mean: NDArray[np.float64] = shares @ means / shares.sum()
    return mean


def folds(groups: Sequence[str], count: int) -> NDArray[np.int64]:
    """A fold for each prompt, in turns within each priority, so that each is in all of them."""
    seen: dict[str, int] = {}
    found = []
    for group in groups:
        found.append(seen.get(group, 0) % count)
        seen[group] = seen.get(group, 0) + 1
    return np.array(found)


def wording_folds(prompts: Sequence[str], groups: Sequence[str], count: int) -> NDArray[np.int64]:
    """A fold for each prompt, such that prompts of a priority that are worded alike share one.

    What is learnt with a fold held out is then judged on wordings it has not seen, as it will be
    by people who ask. k-means (Lloyd 1982) on the words and word pairs of each priority's prompts;
    without weights by rarity, so that the wording counts and not what is asked about.
    """
    of_group = np.array(groups)
    found = np.zeros(len(prompts), dtype=np.int64)
    for group in sorted(set(groups)):
        rows = np.flatnonzero(of_group == group).tolist()
        words = CountVectorizer(token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2), binary=True)
        vectors = normalize(words.fit_transform([*(prompts[row] for row in rows), "word"]))[:-1]
        clusters = min(count, len({tuple(sorted(vector.indices)) for vector in vectors}))
        found[rows] = KMeans(clusters, n_init=4, random_state=0).fit_predict(vectors)
    return found
