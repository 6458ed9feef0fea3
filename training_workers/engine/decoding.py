"""Decoding, as far as it knows of no experts: the cache, the choice of a token, the text so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen, and what is reported of them.

    Greedily at temperature 0; else by a seeded draw from the fewest likeliest tokens that have
    `top_p` of the probability together (nucleus sampling, Holtzman et al. 2020), after the
    temperature. An answer ends before the first of the texts in `stop`. With `alternatives`, so
    many of the likeliest are told with every token; with `echo` also the tokens of the prompt,
    and then there may be no new ones at all.
    """

    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    alternatives: int | None = None
    echo: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether only the greedy text is asked for."""
        return not (self.temperature or self.stop or self.echo) and self.alternatives is None


@dataclass(frozen=True)
class Token:
    """A token and its log-probability in nats, at temperature 1; `alternatives` are the likeliest
    in its place, in their order. None of either for the first token of a text."""

    id: int
    text: str
    log_probability: float | None
    alternatives: dict[str, float] | None


class PaddedCache:
    """Keys and values of rows of unequal length, padded on the left.

    `mask` (rows, columns) is 1 where a row has a token. Some row begins in the first column, so
    that no more is held than the longest row needs.
    """

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask
        self.tokens = DynamicCache()

    def widen(self) -> None:
        """Make the mask ready for one more token of every row."""
        self.mask = pad(self.mask, (0, 1), value=1)

    def keep(self, rows: Sequence[int]) -> None:
        """Let the other rows go, and the columns that only they needed."""
        kept = torch.tensor(rows, device=self.mask.device)
        mask = self.mask[kept]
        first = int(mask.any(dim=0).int().argmax())
        self.mask = mask[:, first:]
        for layer in self._layers():
            layer.keys = layer.keys[kept, :, first:]
            layer.values = layer.values[kept, :, first:]

    def join(self, other: "PaddedCache") -> None:
        """Take up the rows of `other` below these."""
        ours, theirs = self.mask.size(1), other.mask.size(1)
        more, yet = max(0, theirs - ours), max(0, ours - theirs)
        self.mask = torch.cat([pad(self.mask, (more, 0)), pad(other.mask, (yet, 0))])
        for layer, new in zip(self._layers(), other._layers(), strict=True):
            layer.keys = _stacked(layer.keys, more, new.keys, yet)
            layer.values = _stacked(layer.values, more, new.values, yet)

    def _layers(self) -> list[Any]:
        return [layer for layer in self.tokens.layers if layer.is_initialized]


def _stacked(one: Tensor, more: int, other: Tensor, yet: int) -> Tensor:
    """(rows, heads, columns, size) of both; `more` and `yet` columns are put before them."""
    return torch.cat([pad(one, (0, 0, more, 0)), pad(other, (0, 0, yet, 0))])


def choose(scores: Tensor, samplings: Sequence[Sampling], draws: Sequence[Any]) -> list[int]:
    """A token for each row of log-probabilities (rows, vocabulary), each by its own sampling and
    its own generator."""
    chosen: list[int] = scores.argmax(dim=-1).tolist()
    for row, (sampling, draw) in enumerate(zip(samplings, draws, strict=True)):
        if sampling.temperature:
            chances = (scores[row] / sampling.temperature).softmax(dim=-1).cpu()
            chosen[row] = _drawn(chances, sampling.top_p, draw)
    return chosen


def _drawn(chances: Tensor, top_p: float, draw: torch.Generator) -> int:
    if top_p >= 1:
        return int(torch.multinomial(chances, 1, generator=draw))
    likeliest, order = chances.sort(descending=True, stable=True)
    before = likeliest.cumsum(dim=0) - likeliest
    # The likeliest stays whatever top_p is.
    kept = likeliest.masked_fill((before >= top_p) & (before > 0), 0.0)
    return int(order[torch.multinomial(kept, 1, generator=draw)])


def tell_tokens(
    tokenizer: Any, before: int | None, ids: Sequence[int], scores: Tensor, alternatives: int
) -> list[Token]:
    """`ids` as tokens that follow the token `before`, by log-probabilities (tokens, vocabulary)."""
    if not ids:
        return []
    chosen = torch.tensor(ids, device=scores.device)
    own = scores.gather(-1, chosen[:, None])[:, 0].tolist()
    top = scores.topk(min(alternatives, scores.size(-1)), dim=-1)
    told = []
    for token, gain, values, others in zip(
        ids, own, top.values.tolist(), top.indices.tolist(), strict=True
    ):
        found: dict[str, float] = {}
        for other, value in zip(others, values, strict=True):
            found.setdefault(token_text(tokenizer, before, other), value)
        told.append(Token(token, token_text(tokenizer, before, token), gain, found))
        before = token
    return told


def token_text(tokenizer: Any, before: int | None, token: int) -> str:
    """What a token adds to the text that ends with the token `before`: some tokenizers give the
    first word of a text no space, and letters may be parts of one character."""
    if before is None:
        return decode(tokenizer, [token], special=True)
    start = decode(tokenizer, [before], special=True)
    return decode(tokenizer, [before, token], special=True)[len(start) :]


def decode(tokenizer: Any, ids: Sequence[int], special: bool = False) -> str:
    text: str = tokenizer.decode(
        ids, skip_special_tokens=not special, clean_up_tokenization_spaces=False
    )
    return text


def shown(text: str, stop: Sequence[str], over: bool) -> tuple[str, bool]:
    """The part of a growing text that stands, and whether it has met one of the `stop` texts.

    What may still become a character or a stop text is held back until it is `over`.
    """
    if found := [at for at in (text.find(end) for end in stop if end) if at >= 0]:
        return text[: min(found)], True
    if over:
        return text, False
    held = max((n for end in stop for n in range(1, len(end)) if text.endswith(end[:n])), default=0)
    # Bytes of an unfinished character show as U+FFFD until the rest has come.
    return text[: len(text) - held].rstrip("\ufffd"), False
