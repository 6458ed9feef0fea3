"""An expert's profile: how often its training prompts used which words, without the prompts.

A profile counts words and word pairs in hashed buckets. How well a question fits what an expert
was taught is its query likelihood (Ponte & Croft 1998), with Jelinek-Mercer smoothing (Zhai &
Lafferty 2004), as in choosing among the collections of a federated search (Si et al. 2002):

    fit_e(x) = mean over n-grams g of x of  log( 1 + (1 - L) / L  c_e(g) / (n_e p_0(g)) )

which is log p_e(g) / p_0(g) for p_e = (1 - L) c_e / n_e + L p_0, but for a constant: 0 for words
that it never saw. p_0 are the frequencies in the dev prompts. A profile depends on its expert's
data alone and travels with the adapter, so data that stays at home can be found too. It tells
which words were used, and nothing of who said them; whoever must hide even that keeps it back.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 16
LAMBDA = 0.9
"""The background's share in every profile."""

Profile = Mapping[str, int]
"""Bucket, as a decimal string so that it is JSON, to count."""


def _bucket(gram: str) -> int:
    return crc32(gram.encode()) % BUCKETS


def ngrams(text: str) -> tuple[list[int], list[int]]:
    """Buckets of the words, and of the neighbouring pairs of words, of a text, case folded."""
    # Folded after they are found: folding may join two words, and parts of texts count words too.
    words = [word.casefold() for word in re.findall(r"\w+", text)]
    pairs = [f"{one} {other}" for one, other in pairwise(words)]
    return [_bucket(word) for word in words], [_bucket(pair) for pair in pairs]


def profile_of(prompts: Iterable[str]) -> dict[str, int]:
    """The profile of an expert that was taught these prompts."""
    counts = Counter(
        str(bucket) for prompt in prompts for part in ngrams(prompt) for bucket in part
    )
    return dict(sorted(counts.items()))


class Fit:
    """How well questions fit each profile; `background` are the dev prompts."""

    def __init__(self, profiles: Iterable[Profile], background: Iterable[str]) -> None:
        counted = Counter(
            bucket for prompt in background for part in ngrams(prompt) for bucket in part
        )
        common = np.ones(BUCKETS)
        common[list(counted)] += list(counted.values())
        self._common = common / common.sum()
        self._profiles = [(profile, sum(profile.values())) for profile in profiles]
        self._seen: dict[int, NDArray[np.float64]] = {}

    def of(self, questions: Iterable[str]) -> NDArray[np.float64]:
        """(questions, profiles), in nats an n-gram; 0 for a question without words."""
        rows = []
        for question in questions:
            words, pairs = ngrams(question)
            rows.append(self._ratios(words + pairs).sum(axis=0) / max(1, len(words + pairs)))
        return np.array(rows).reshape(len(rows), len(self._profiles))

    def known(self, text: str) -> NDArray[np.bool_]:
        """Which profiles have which words of a text: (words, profiles)."""
        known: NDArray[np.bool_] = self._ratios(ngrams(text)[0]) > 0
        return known

    def two_sources(
        self, question: str, parts: NDArray[np.intp], allowed: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How well two profiles explain a question, for each way to part it, and how much better
        than one profile does: (parts,) each, in nats, the second at least 0.

            max_e inner_e + max_e outer_e,     less     max_e (inner_e + outer_e)

        inner and outer the sums of the terms above over the n-grams of either part. `parts` is
        (parts, 2), the first word of the inner part and the first one after it; pairs of words
        across its borders count in none of the two. `allowed` are the profiles that may be named.
        """
        words, pairs = ngrams(question)
        if not len(parts) or not len(allowed):
            return np.zeros(len(parts)), np.zeros(len(parts))
        of_words = self._ratios(words)[:, list(allowed)]
        of_pairs = self._ratios(pairs)[:, list(allowed)]
        up_to_word, up_to_pair = (
            np.concatenate([np.zeros((1, len(allowed))), np.cumsum(of, axis=0)])
            for of in (of_words, of_pairs)
        )
        first, end = parts[:, 0], parts[:, 1]
        inner = up_to_word[end] - up_to_word[first] + up_to_pair[end - 1] - up_to_pair[first]
        padded = np.concatenate(
            [np.zeros_like(of_pairs[:1]), of_pairs, np.zeros_like(of_pairs[:1])]
        )
        everything = up_to_word[-1] + up_to_pair[-1]
        outer = everything - inner - padded[first] - padded[end]
        two = inner.max(axis=1) + outer.max(axis=1)
        return two, two - (inner + outer).max(axis=1)

    def _ratios(self, grams: Sequence[int]) -> NDArray[np.float64]:
        """The terms of the sum, (grams, profiles)."""
        for gram in grams:
            if gram not in self._seen:
                scale = (1 - LAMBDA) / (LAMBDA * self._common[gram])
                shares = [profile.get(str(gram), 0) / max(1, n) for profile, n in self._profiles]
                self._seen[gram] = np.log1p(scale * np.array(shares))
        rows = [self._seen[gram] for gram in grams]
        return np.array(rows).reshape(len(rows), len(self._profiles))
