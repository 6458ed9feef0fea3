"""The pool of experts: one base in memory, answering each row of a batch with its own models."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import DynamicCache

from training_workers.engine.adapters import Adapter, AdapterError, read_adapter
from training_workers.engine.bank import LoraBank, Voice
from training_workers.engine.bases import Base
from training_workers.engine.data import encode_prompt

BASE = ""
"""The base's name among the models: it answers without any adapter."""

ROWS_A_BATCH = 64
MERGES_KEPT = 4


class Blend(Protocol):
    """How the next-token distributions of several models become one.

    `models` names them, BASE among them or not. `combine` takes log-probabilities (models, ...,
    vocabulary) to those of the blend (..., vocabulary), in nats. `shares` takes the
    log-probabilities that each model gave to one chosen token to each model's share in it.
    """

    @property
    def models(self) -> tuple[str, ...]: ...

    def combine(self, log_probabilities: Tensor) -> Tensor: ...

    def shares(self, log_probabilities: Tensor) -> dict[str, float]: ...


@dataclass(frozen=True)
class Prompt:
    """A text and who answers it: an expert, the base alone (None), the exact weighted sum of some
    experts' updates (a mapping), or a blend of several models' distributions."""

    text: str
    voice: "str | Mapping[str, float] | Blend | None"

    @property
    def voices(self) -> list[Voice]:
        """What each row that this prompt takes in a batch answers with."""
        if self.voice is None:
            return [BASE]
        if isinstance(self.voice, str | Mapping):
            return [self.voice]
        return list(self.voice.models)

    @property
    def blend(self) -> "Blend | None":
        return None if isinstance(self.voice, str | Mapping | None) else self.voice


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen: greedily at temperature 0, else by a seeded draw."""

    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Piece:
    """A piece of an answer's text and each model's share in it (sums to 1)."""

    text: str
    shares: Mapping[str, float]


@dataclass
class Draft:
    """An answer in the making.

    `log_probability` is that of all tokens so far, the end token included, in nats, under the
    distribution that they were chosen from at temperature 1; `tokens` counts the same ones.
    """

    text: str = ""
    tokens: int = 0
    log_probability: float = 0.0
    over: bool = False
    pieces: list[Piece] = field(default_factory=list)


@dataclass(frozen=True)
class Likelihood:
    """Of a given completion: its log-probability in nats, over how many tokens, and whether each
    of them was the likeliest."""

    log_probability: float
    tokens: int
    greedy: bool


@dataclass
class _Row:
    """One answer in the making: `answer` has its tokens, `shares` a mapping for each of them."""

    index: int
    ids: list[int]
    prompt: Prompt
    voices: list[Voice]
    draws: torch.Generator
    draft: Draft = field(default_factory=Draft)
    answer: list[int] = field(default_factory=list)
    shares: list[dict[str, float]] = field(default_factory=list)


class ExpertPool:
    """One base in memory and any number of LoRA adapters on it.

    A row's answer depends on its prompt, models and sampling alone, not on the other rows. A batch
    takes one forward pass a token, whatever models its rows ask. The pool is not thread-safe: one
    thread owns it. `base` itself stays without adapters.
    """

    def __init__(self, base: Base, threads: int = 1, remember: bool = False) -> None:
        torch.set_num_threads(threads)
        self.base = base
        self._bank = LoraBank(base)
        self.adapters: dict[str, Adapter] = {}
        self.known: dict[tuple[str, str, int], Draft] | None = {} if remember else None
        """Greedy drafts that need not be made again, by text, model and most new tokens; None
        where nothing is remembered."""
        self._merges: dict[str, frozenset[str]] = {}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.adapters)

    def add(self, name: str, folder: Path) -> None:
        """Load the adapter in `folder` as `name`, in the place of one already called so.

        Raises AdapterError if the adapter was made for another base, has other shapes than it,
        is not plain, or holds numbers that are not finite; the pool is then as before.
        """
        if not name:
            raise AdapterError(f"An expert cannot be called {name!r}.")
        self.hold(name, read_adapter(folder, self.base))

    def hold(self, name: str, adapter: Adapter) -> None:
        """Take up an adapter that is in memory and known to fit."""
        self.remove(name)
        self._bank.add(name, adapter)
        self.adapters[name] = adapter

    def remove(self, name: str) -> None:
        """Forget the expert `name`; nothing happens if there is none."""
        if self.adapters.pop(name, None) is None:
            return
        self._forget(name)
        for merge in [key for key, members in self._merges.items() if name in members]:
            self._drop_merge(merge)

    def merged(self, kind: str, members: Sequence[str], merge: Callable[[], Adapter]) -> str:
        """The voice of a merge of `members`, made now unless it is at hand.

        A few are kept; one that contains an expert who leaves is dropped with it.
        """
        key = f"{kind} of {' '.join(sorted(members))}"
        if key not in self._merges:
            while len(self._merges) >= MERGES_KEPT:
                self._drop_merge(next(iter(self._merges)))
            self._bank.add(key, merge())
            self._merges[key] = frozenset(members)
        return key

    def _drop_merge(self, key: str) -> None:
        del self._merges[key]
        self._forget(key)

    def _forget(self, voice: str) -> None:
        self._bank.remove(voice)
        if self.known is not None:
            self.known = {key: draft for key, draft in self.known.items() if key[1] != voice}

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[str]:
        """The answers to `prompts`, in their order. Raises KeyError for an unknown expert."""
        return [draft.text for draft in self.drafts(prompts, sampling)]

    def drafts(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Draft]:
        """As `generate`, with how likely each answer was. Pieces are not kept apart."""
        rows = self._rows(prompts, sampling)
        for row in rows:
            row.draft = self._known(row.prompt, sampling) or row.draft
        for batch in _batches([row for row in rows if not row.draft.over]):
            for _ in self._steps(batch, sampling):
                pass
            for row in batch:
                row.draft.text = self._text(row).strip()
                if sampling.temperature == 0:
                    self.learn(row.prompt, sampling.max_new_tokens, row.draft)
        return [row.draft for row in rows]

    def learn(self, prompt: Prompt, max_new_tokens: int, draft: Draft) -> None:
        """Keep one model's greedy draft, so that it is not made again while the model is here."""
        if self.known is not None and isinstance(prompt.voice, str | None):
            self.known[prompt.text, prompt.voice or BASE, max_new_tokens] = draft

    def _known(self, prompt: Prompt, sampling: Sampling) -> Draft | None:
        if not self.known or sampling.temperature or not isinstance(prompt.voice, str | None):
            return None
        return self.known.get((prompt.text, prompt.voice or BASE, sampling.max_new_tokens))

    def stream(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[list[Draft]]:
        """Answer `prompts` in one batch; yields their drafts after every step, as they grow.

        At the end a draft's pieces join to its text, which is what `generate` returns.
        """
        rows = self._rows(prompts, sampling)
        for row in rows:
            if (known := self._known(row.prompt, sampling)) is not None:
                pieces = [Piece(known.text, self.shares(row.voices[0]))] if known.text else []
                row.draft = replace(known, pieces=pieces)
        drafts = [row.draft for row in rows]
        growing = [row for row in rows if not row.draft.over]
        if not growing:
            yield drafts
        for _ in self._steps(list(growing), sampling):
            for row in growing:
                text = self._text(row).strip()
                if not row.draft.over:
                    # Bytes of an unfinished character show as U+FFFD until the rest has come.
                    text = text.rstrip("\ufffd").rstrip()
                if new := text[len(row.draft.text) :]:
                    row.draft.pieces.append(Piece(new, row.shares[-1]))
                row.draft.text = text
            growing = [row for row in growing if not row.draft.over]
            yield drafts

    @torch.inference_mode()
    def likelihoods(
        self, pairs: Sequence[tuple[Prompt, str]], *, end: bool = True
    ) -> list[Likelihood]:
        """How likely each prompt's models are to answer with the given completion.

        With `end`, the end token counts as its last one. A completion is cut as in training.
        """
        tokenizer, context = self.base.tokenizer, self.base.context_length
        rows = []
        for index, (prompt, completion) in enumerate(pairs):
            answer = tokenizer(completion.strip(), add_special_tokens=False)["input_ids"]
            answer = answer[: context // 2] + ([tokenizer.eos_token_id] if end else [])
            ids = encode_prompt(tokenizer, prompt.text, context - len(answer))
            row = _Row(index, ids + answer, prompt, prompt.voices, torch.Generator())
            self._check(row)
            row.answer = answer
            rows.append(row)
        found = [Likelihood(0.0, 0, True)] * len(rows)
        for batch in _batches([row for row in rows if row.answer]):
            longest = max(len(row.answer) for row in batch)
            logits = self._logits(batch, *self._padded(batch), keep=longest + 1)[:, :-1]
            start = 0
            for row in batch:
                own = slice(start, start := start + len(row.voices))
                scores = self._blended(row, logits[own, -len(row.answer) :].log_softmax(dim=-1))
                chosen = torch.tensor(row.answer, device=scores.device)
                each = scores.gather(-1, chosen[:, None])[:, 0]
                found[row.index] = Likelihood(
                    float(each.sum()), len(row.answer), bool((scores.argmax(-1) == chosen).all())
                )
        return found

    @torch.inference_mode()
    def hidden_states(self, texts: Sequence[str]) -> Tensor:
        """The base's last hidden state, mean over a prompt's tokens: (texts, hidden size)."""
        rows = self._rows([Prompt(text, None) for text in texts], Sampling(max_new_tokens=1))
        found = torch.zeros(len(rows), self.base.model.config.hidden_size)
        for batch in _batches(rows):
            ids, mask = self._padded(batch)
            inputs = self._positions(ids, mask) | {"output_hidden_states": True}
            states = self._bank([BASE] * len(batch), input_ids=ids, attention_mask=mask, **inputs)
            last = states.hidden_states[-1].float() * mask[..., None]
            means = last.sum(dim=1) / mask.sum(dim=1, keepdim=True)
            found[[row.index for row in batch]] = means.cpu()
        return found

    @torch.inference_mode()
    def prompt_likelihoods(self, prompts: Sequence[Prompt]) -> list[float]:
        """Mean log-probability, in nats a token, of each prompt's own text under its model."""
        rows = self._rows(prompts, Sampling(max_new_tokens=1))
        found = [0.0] * len(rows)
        for batch in _batches([row for row in rows if len(row.ids) > 1]):
            ids, mask = self._padded(batch)
            logits = self._logits(batch, ids, mask, keep=ids.size(1))[:, :-1].log_softmax(dim=-1)
            each = logits.gather(-1, ids[:, 1:, None])[..., 0] * mask[:, :-1]
            means = each.sum(dim=1) / mask[:, :-1].sum(dim=1)
            for row, mean in zip(batch, means.tolist(), strict=True):
                found[row.index] = mean
        return found

    def _rows(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[_Row]:
        room = self.base.context_length - sampling.max_new_tokens
        if sampling.max_new_tokens < 1 or room < 1:
            raise ValueError(
                f"max_new_tokens must be between 1 and {self.base.context_length - 1}."
            )
        rows = []
        for index, prompt in enumerate(prompts):
            ids = encode_prompt(self.base.tokenizer, prompt.text, room)
            voices = prompt.voices
            key = f"{sampling.seed} {voices} {prompt.text}".encode()
            seed = int.from_bytes(hashlib.sha256(key).digest()[:7])
            row = _Row(index, ids, prompt, voices, torch.Generator().manual_seed(seed))
            self._check(row)
            rows.append(row)
        return rows

    def _check(self, row: _Row) -> None:
        """Raises KeyError for an expert that is not here."""
        for voice in row.voices:
            for name in [voice] if isinstance(voice, str) else voice:
                if name != BASE and name not in self.adapters and name not in self._merges:
                    raise KeyError(name)

    def _steps(self, rows: list[_Row], sampling: Sampling) -> Iterator[None]:
        """Extend every row's answer a token a step."""
        if not rows:
            return
        ids, mask = self._padded(rows)
        cache = DynamicCache()
        for step in range(sampling.max_new_tokens):
            logits = self._logits(rows, ids, mask, keep=1, cache=cache)[:, 0]
            self._extend(rows, logits, sampling)
            if step == sampling.max_new_tokens - 1:
                for row in rows:
                    row.draft.over = True
            if any(row.draft.over for row in rows):
                going = [not row.draft.over for row in rows for _ in row.voices]
                rows = [row for row in rows if not row.draft.over]
                if rows:
                    kept = torch.tensor(going, device=mask.device).nonzero()[:, 0]
                    cache.batch_select_indices(kept)
                    mask = mask[kept]
            yield
            if not rows:
                return
            last = [[row.answer[-1]] for row in rows for _ in row.voices]
            ids = torch.tensor(last, device=self.base.device)
            mask = torch.cat([mask, mask.new_ones(len(last), 1)], dim=1)

    def _extend(self, rows: list[_Row], logits: Tensor, sampling: Sampling) -> None:
        """Choose each row's next token from `logits` (models of all rows, vocabulary)."""
        log_probabilities = logits.log_softmax(dim=-1)
        starts = [0]
        for row in rows:
            starts.append(starts[-1] + len(row.voices))
        scores = log_probabilities
        if any(row.prompt.blend is not None for row in rows):
            scores = log_probabilities[starts[:-1]]
        for number, row in enumerate(rows):
            if row.prompt.blend is not None:
                own = log_probabilities[starts[number] : starts[number + 1]]
                scores[number] = self._blended(row, own)
        if sampling.temperature == 0:
            chosen = scores.argmax(dim=-1).tolist()
        else:
            chances = (scores / sampling.temperature).softmax(dim=-1).cpu()
            chosen = [
                int(torch.multinomial(chance, 1, generator=row.draws))
                for chance, row in zip(chances, rows, strict=True)
            ]
        picked = scores.gather(-1, torch.tensor(chosen, device=scores.device)[:, None])
        for number, (row, token, gain) in enumerate(
            zip(rows, chosen, picked[:, 0].tolist(), strict=True)
        ):
            row.draft.log_probability += gain
            row.draft.tokens += 1
            if token == self.base.tokenizer.eos_token_id:
                row.draft.over = True
                continue
            row.answer.append(token)
            blend = row.prompt.blend
            if blend is not None:
                own = log_probabilities[starts[number] : starts[number + 1], token]
                row.shares.append(blend.shares(own))
            else:
                row.shares.append(self.shares(row.voices[0]))

    def _blended(self, row: _Row, log_probabilities: Tensor) -> Tensor:
        """(models, ..., vocabulary) to (..., vocabulary)."""
        blend = row.prompt.blend
        return log_probabilities[0] if blend is None else blend.combine(log_probabilities)

    def _padded(self, rows: Sequence[_Row]) -> tuple[Tensor, Tensor]:
        """Token ids and their mask, padded on the left; one row for each model of each prompt."""
        longest = max(len(row.ids) for row in rows)
        every = [row for row in rows for _ in row.voices]
        ids = torch.full((len(every), longest), self.base.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(every):
            ids[number, longest - len(row.ids) :] = torch.tensor(row.ids)
            mask[number, longest - len(row.ids) :] = 1
        return ids.to(self.base.device), mask.to(self.base.device)

    def _positions(self, ids: Tensor, mask: Tensor) -> dict[str, Any]:
        if not self.base.accepts("position_ids"):
            return {}
        return {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.size(1) :]}

    @torch.inference_mode()
    def _logits(
        self,
        rows: Sequence[_Row],
        ids: Tensor,
        mask: Tensor,
        *,
        keep: int,
        cache: DynamicCache | None = None,
    ) -> Tensor:
        """Scores (models of all rows, keep, vocabulary) after the last `keep` of `ids`."""
        inputs = self._positions(ids, mask) | {"use_cache": cache is not None}
        if cache is not None:
            inputs["past_key_values"] = cache
        if self.base.accepts("logits_to_keep"):
            inputs["logits_to_keep"] = keep
        voices = [voice for row in rows for voice in row.voices]
        logits = self._bank(voices, input_ids=ids, attention_mask=mask, **inputs).logits
        # A vocabulary may be padded to a round size: tokens that the tokenizer lacks do not count.
        known: Tensor = logits[:, -keep:, : len(self.base.tokenizer)].float()
        return known

    def shares(self, voice: Voice) -> dict[str, float]:
        """Who is responsible where one row answers: its model, or what was merged, by weight."""
        if isinstance(voice, str):
            members = sorted(self._merges.get(voice, {voice}))
            return dict.fromkeys(members, 1 / len(members))
        total = sum(abs(weight) for weight in voice.values())
        if not total:
            return {BASE: 1.0}
        return {name: abs(weight) / total for name, weight in voice.items()}

    def _text(self, row: _Row) -> str:
        text: str = self.base.tokenizer.decode(
            row.answer, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def _batches(rows: Sequence[_Row]) -> Iterator[list[_Row]]:
    """Rows of like length, at most ROWS_A_BATCH models' rows at once."""
    batch: list[_Row] = []
    size = 0
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if batch and size + len(row.voices) > ROWS_A_BATCH:
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += len(row.voices)
    if batch:
        yield batch
