"""What a router sees of a prompt: its words, the base's hidden states, or a sentence encoder's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import AutoModel, AutoTokenizer

from training_workers.engine.pool import ExpertPool

AT_ONCE = 64


class Features(Protocol):
    """Vectors of prompts, fitted on the dev prompts; (prompts, features), sparse or dense."""

    def of(self, prompts: Sequence[str]) -> Any: ...


class Lexical:
    """TF-IDF of words and word pairs, and of letter groups within words.

    Each part has length 1, so that a dot product is twice the mean cosine of both.
    """

    def __init__(self, prompts: Sequence[str]) -> None:
        self._parts = [
            TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", ngram_range=(1, 2)),
            TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4)),
        ]
        # A lone full stop has no words; the sentinel keeps the vocabulary from being empty.
        for part in self._parts:
            part.fit([*prompts, "word"])

    def of(self, prompts: Sequence[str]) -> csr_matrix:
        return csr_matrix(hstack([part.transform(prompts) for part in self._parts]))


@dataclass
class Hidden:
    """Mean last hidden state of the base, less its mean over the dev prompts, of length sqrt(2).

    The common direction is taken off because it dwarfs the rest (Mu & Viswanath 2018).
    """

    prompts: Sequence[str]
    pool: ExpertPool
    centre: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.centre = self._states(self.prompts).mean(axis=0)

    def _states(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        states: NDArray[np.float64] = self.pool.hidden_states(prompts).double().numpy()
        return states

    def of(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        return _as_long_as_lexical(self._states(prompts) - self.centre)


@dataclass
class Encoded:
    """Mean last hidden state of a sentence encoder (Reimers & Gurevych 2019), of length sqrt(2).

    `source` is a folder or Hub id that `transformers.AutoModel` reads; safetensors only.
    """

    source: str

    def of(self, prompts: Sequence[str]) -> NDArray[np.float64]:
        tokenizer, model = _encoder(self.source)
        states = []
        for start in range(0, len(prompts), AT_ONCE):
            batch = tokenizer(
                list(prompts[start : start + AT_ONCE]),
                padding=True,
                truncation=True,
                return_tensors="pt",
            )
            with torch.inference_mode():
                last = model(**batch).last_hidden_state.double()
            mask = batch["attention_mask"][..., None]
            states.append(((last * mask).sum(dim=1) / mask.sum(dim=1)).numpy())
        return _as_long_as_lexical(np.concatenate(states))


@lru_cache(maxsize=1)
def _encoder(source: str) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    model = AutoModel.from_pretrained(source, use_safetensors=True, trust_remote_code=False)
    return tokenizer, model.eval()


def _as_long_as_lexical(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled to length sqrt(2), so that similarities and the ridge mean the same for all."""
    norms = np.linalg.norm(states, axis=1, keepdims=True)
    scaled: NDArray[np.float64] = np.sqrt(2) * states / np.maximum(norms, 1e-12)
    return scaled


def similarities(asked: Any, known: Any) -> NDArray[np.float64]:
    """Cosines (asked, known) of features of length sqrt(2), at least 0."""
    # Rounded so that equal prompts tie exactly on every machine.
    return (products(asked, known) / 2).clip(min=0).round(9)


def products(asked: Any, known: Any) -> NDArray[np.float64]:
    """Dot products (asked, known) of features, sparse or dense."""
    product = asked @ known.T
    dense: NDArray[np.float64] = product if isinstance(product, np.ndarray) else product.toarray()
    return dense
