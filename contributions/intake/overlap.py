"""Rows that ask what a probe asks: they would give the answers of the examination away."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contributions.intake.words import Wanted, Words, grams, short_digests

_COMMON = 3  # probes; a run of words that more of them share is how they are worded, not asked


class Probes:
    """Known probes, (prompt, answer), kept as hashes.

    A text asks what a probe asks if both have 13 words in a row in common, up to letter case,
    punctuation and Unicode form; a probe with fewer words has to be all of the text, up to letter
    case, spacing and Unicode form.
    """

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        prompts = list(dict.fromkeys(prompt.strip() for prompt, _ in known))
        self._any = bool(prompts)
        words = Words(pa.array(prompts, pa.string()))
        digests = short_digests(words)
        self._short = np.unique(digests[digests != 0])
        hashes, rows = grams(words)
        each_once = np.unique(np.stack([hashes, rows.astype(np.uint64)]), axis=1)[0]
        distinct, counts = np.unique(each_once, return_counts=True)
        self._grams = Wanted(distinct[counts <= _COMMON])

    def asked_in(self, texts: pa.StringArray, words: Words | None = None) -> npt.NDArray[np.bool_]:
        """For each text whether it asks what one of the probes asks; `words` are the texts'."""
        if not self._any:
            return np.zeros(len(texts), np.bool_)
        words = words or Words(texts)
        return self._grams.among_grams(words) | np.isin(short_digests(words), self._short)

    def ask(self, prompt: str) -> bool:
        """Whether one of the probes asks this."""
        return self._any and bool(self.asked_in(pa.array([prompt.strip()], pa.string()))[0])
