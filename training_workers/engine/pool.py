"""The pool of experts: one base in memory, answering each row of a batch with its own models."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

import torch
from torch import Tensor

from training_workers.engine.adapters import Adapter, AdapterError, read_adapter
from training_workers.engine.bank import LoraBank, Voice
from training_workers.engine.bases import Base
from training_workers.engine.data import encode_prompt
from training_workers.engine.decoding import (
    PaddedCache,
    Sampling,
    Token,
    choose,
    decode,
    shown,
    tell_tokens,
    token_text,
)

BASE = ""
"""The base's name among the models: it answers without any adapter."""

ROWS_A_BATCH = 64
LEAST_ROOM = ROWS_A_BATCH // 4
"""Where more wait than there is room for, rows are let in so many at a time: each time costs a
forward pass."""
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
    experts' updates (a mapping), or a blend of several models' distributions.

    A text is asked, and answered with what follows the separator. Where `ids` are given, these
    tokens are continued, exactly as they stand, and no space is taken from what follows.
    """

    text: str
    voice: "str | Mapping[str, float] | Blend | None"
    ids: tuple[int, ...] | None = None

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
class Piece:
    """A piece of an answer's text and each model's share in it (sums to 1).

    `tokens` are those that came with it, where they are asked for; at the end a piece without text
    may bring the rest of them.
    """

    text: str
    shares: Mapping[str, float]
    tokens: tuple[Token, ...] = ()


@dataclass
class Draft:
    """An answer in the making.

    `log_probability` is that of all tokens so far, the end token included, in nats, under the
    distribution that they were chosen from at temperature 1; `tokens` counts the same ones.
    `prompt_tokens` counts those of the prompt, of which `prompt` tells where they are asked for.
    `finish` is "stop" after the end token or a stop text, "length" where there was no more room.
    """

    text: str = ""
    tokens: int = 0
    log_probability: float = 0.0
    over: bool = False
    pieces: list[Piece] = field(default_factory=list)
    prompt_tokens: int = 0
    prompt: list[Token] = field(default_factory=list)
    finish: str = ""


@dataclass(frozen=True)
class Likelihood:
    """Of a given completion: its log-probability in nats, over how many tokens, and whether each
    of them was the likeliest."""

    log_probability: float
    tokens: int
    greedy: bool


@dataclass
class _Row:
    """One answer in the making: `answer` has its tokens, `shares` a mapping for each of them, and
    `untold` what is to be told with its next piece. Unless it is `watched`, its text is made once
    it is over."""

    index: int
    ids: list[int]
    prompt: Prompt
    voices: list[Voice]
    draws: torch.Generator
    sampling: Sampling = field(default_factory=Sampling)
    watched: bool = False
    draft: Draft = field(default_factory=Draft)
    answer: list[int] = field(default_factory=list)
    shares: list[dict[str, float]] = field(default_factory=list)
    untold: list[Token] = field(default_factory=list)


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
        self._open: WeakSet[OpenBatch] = WeakSet()

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

        A few are kept, and those that are answering now; one that contains an expert who leaves
        is dropped with it.
        """
        key = f"{kind} of {' '.join(sorted(members))}"
        if key not in self._merges:
            answering = {voice for batch in self._open for voice in batch.voices}
            idle = [merge for merge in self._merges if merge not in answering]
            for merge_ in idle[: max(0, len(self._merges) + 1 - MERGES_KEPT)]:
                self._drop_merge(merge_)
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
        batch = OpenBatch(self)
        drafts = batch.join(prompts, sampling, watched=False)
        while batch:
            batch.step()
        return drafts

    def learn(self, prompt: Prompt, max_new_tokens: int, draft: Draft) -> None:
        """Keep one model's greedy draft, so that it is not made again while the model is here."""
        if self.known is not None and _is_of_one_model(prompt):
            self.known[prompt.text, str(prompt.voice or BASE), max_new_tokens] = draft

    def known_draft(self, prompt: Prompt, sampling: Sampling) -> Draft | None:
        """What was learnt, if that is all that is asked for."""
        if not self.known or not sampling.is_plain or not _is_of_one_model(prompt):
            return None
        return self.known.get((prompt.text, str(prompt.voice or BASE), sampling.max_new_tokens))

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
                scores = _blended(row, logits[own, -len(row.answer) :].log_softmax(dim=-1))
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
        room, least = self.base.context_length - sampling.max_new_tokens, int(not sampling.echo)
        if sampling.max_new_tokens < least or room < 1:
            raise ValueError(
                f"max_new_tokens must be between {least} and {self.base.context_length - 1}."
            )
        rows = []
        for index, prompt in enumerate(prompts):
            if prompt.ids is None:
                ids = encode_prompt(self.base.tokenizer, prompt.text, room)
            elif 0 < len(prompt.ids) <= room:
                ids = list(prompt.ids)
            else:
                raise ValueError(
                    f"The text has {len(prompt.ids)} tokens; between 1 and {room} would fit."
                )
            voices = prompt.voices
            key = f"{sampling.seed} {voices} {prompt.text}".encode()
            seed = int.from_bytes(hashlib.sha256(key).digest()[:7])
            draws = torch.Generator().manual_seed(seed)
            row = _Row(index, ids, prompt, voices, draws, sampling)
            row.draft.prompt_tokens = len(ids)
            self._check(row)
            rows.append(row)
        return rows

    def _check(self, row: _Row) -> None:
        """Raises KeyError for an expert that is not here."""
        for voice in row.voices:
            for name in [voice] if isinstance(voice, str) else voice:
                if name != BASE and name not in self.adapters and name not in self._merges:
                    raise KeyError(name)

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
        cache: PaddedCache | None = None,
    ) -> Tensor:
        """Scores (models of all rows, keep, vocabulary) after the last `keep` of `ids`."""
        inputs = self._positions(ids, mask) | {"use_cache": cache is not None}
        if cache is not None:
            inputs["past_key_values"] = cache.tokens
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


class OpenBatch:
    """Answers in the making, a token a step: prompts join between two steps and leave when they
    are over (continuous batching, Orca: Yu et al. 2022).

    A step either reads the prompts that have joined, which gives them their first token, or
    extends all others by a token, in turns where both wait. At most ROWS_A_BATCH rows are in the
    making at once; further ones wait.
    """

    def __init__(self, pool: ExpertPool) -> None:
        self._pool = pool
        self._waiting: list[_Row] = []
        self._rows: list[_Row] = []
        self._cache: PaddedCache | None = None
        self._read_last = False
        pool._open.add(self)

    def __bool__(self) -> bool:
        return bool(self._waiting or self._rows)

    def __contains__(self, draft: Draft) -> bool:
        return any(row.draft is draft for row in (*self._waiting, *self._rows))

    @property
    def voices(self) -> frozenset[str]:
        """Everybody by name who answers in it."""
        return frozenset(
            voice
            for row in (*self._waiting, *self._rows)
            for voice in row.voices
            if isinstance(voice, str)
        )

    def join(
        self, prompts: Sequence[Prompt], sampling: Sampling, *, watched: bool = True
    ) -> list[Draft]:
        """Drafts of `prompts`, in their order, that grow from now on.

        At the end a draft's pieces join to its text; unless they are `watched`, there are none,
        and the text comes at the end. Raises KeyError for an unknown expert, and ValueError for a
        number of new tokens, or of a prompt's own ones, that cannot be.
        """
        rows = self._pool._rows(prompts, sampling)
        for row in rows:
            row.watched = watched
            if (known := self._pool.known_draft(row.prompt, sampling)) is not None:
                pieces = [Piece(known.text, self._pool.shares(row.voices[0]))] if known.text else []
                row.draft = replace(known, pieces=pieces) if watched else known
        # Rows of like length are read together, with little padding.
        self._waiting += sorted(
            (row for row in rows if not row.draft.over), key=lambda row: len(row.ids)
        )
        return [row.draft for row in rows]

    def leave(self, drafts: Sequence[Draft]) -> None:
        """Give these up."""
        gone = set(map(id, drafts))
        self._waiting = [row for row in self._waiting if id(row.draft) not in gone]
        self._keep([row for row in self._rows if id(row.draft) not in gone])

    @torch.inference_mode()
    def step(self) -> None:
        """Extend some of the answers by a token.

        If a pass fails (of memory, say), whatever it was about has left the batch.
        """
        newcomers = [] if self._read_last and self._rows else self._admitted()
        self._read_last = bool(newcomers)
        if newcomers:
            self._read(newcomers)
        elif self._rows:
            self._extend_all()

    def _admitted(self) -> list[_Row]:
        """Who is let in now, in the order of coming: all of them, or at least LEAST_ROOM rows."""
        room = ROWS_A_BATCH - sum(len(row.voices) for row in self._rows)
        count = 0
        for row in self._waiting:
            room -= len(row.voices)
            if room < 0 and (count or self._rows):
                break
            count += 1
        rows = self._waiting[:count]
        full = bool(self._rows) and count < len(self._waiting)
        if full and sum(len(row.voices) for row in rows) < LEAST_ROOM:
            return []
        # Who tells of its prompt needs scores at all of its tokens, the others only at the last.
        rows = [row for row in rows if row.sampling.echo == rows[0].sampling.echo]
        self._waiting = [row for row in self._waiting if not any(row is one for one in rows)]
        return rows

    def _read(self, rows: list[_Row]) -> None:
        ids, mask = self._pool._padded(rows)
        cache = PaddedCache(mask)
        echo = rows[0].sampling.echo
        keep = ids.size(1) if echo else 1
        logits = self._pool._logits(rows, ids, mask, keep=keep, cache=cache)
        if echo:
            self._tell_prompts(rows, logits)
        self._extend(rows, logits[:, -1])
        growing = _places(rows)
        rows = [row for row in rows if not row.draft.over]
        if not rows:
            return
        if len(growing) < len(mask):
            cache.keep(growing)
        if self._cache is None:
            self._rows, self._cache = rows, cache
        else:
            self._cache.join(cache)
            self._rows = [*self._rows, *rows]

    def _extend_all(self) -> None:
        rows, cache = self._rows, self._cache
        assert cache is not None
        self._rows, self._cache = [], None
        last = [[row.answer[-1]] for row in rows for _ in row.voices]
        cache.widen()
        ids = torch.tensor(last, device=cache.mask.device)
        logits = self._pool._logits(rows, ids, cache.mask, keep=1, cache=cache)[:, 0]
        self._extend(rows, logits)
        self._rows, self._cache = rows, cache
        self._keep([row for row in rows if not row.draft.over])

    def _keep(self, rows: list[_Row]) -> None:
        """Let all other rows go."""
        if len(rows) == len(self._rows) or self._cache is None:
            return
        kept = set(map(id, rows))
        places = [id(row) in kept for row in self._rows for _ in row.voices]
        if rows:
            self._cache.keep([at for at, stays in enumerate(places) if stays])
        else:
            self._cache = None
        self._rows = rows

    def _extend(self, rows: list[_Row], logits: Tensor) -> None:
        """Choose each row's next token from `logits` (models of all rows, vocabulary)."""
        pool = self._pool
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
                scores[number] = _blended(row, own)
        chosen = choose(scores, [row.sampling for row in rows], [row.draws for row in rows])
        picked = scores.gather(-1, torch.tensor(chosen, device=scores.device)[:, None])
        for number, (row, token, gain) in enumerate(
            zip(rows, chosen, picked[:, 0].tolist(), strict=True)
        ):
            if row.sampling.max_new_tokens == 0:
                row.draft.over, row.draft.finish = True, "length"
                continue
            if row.sampling.alternatives is not None:
                before = (row.ids + row.answer)[-1]
                row.untold += tell_tokens(
                    pool.base.tokenizer,
                    before,
                    [token],
                    scores[number : number + 1],
                    row.sampling.alternatives,
                )
            row.draft.log_probability += gain
            row.draft.tokens += 1
            if token == pool.base.tokenizer.eos_token_id:
                row.draft.over, row.draft.finish = True, "stop"
            else:
                row.answer.append(token)
                if row.watched:
                    own = log_probabilities[starts[number] : starts[number + 1], token]
                    blend = row.prompt.blend
                    row.shares.append(blend.shares(own) if blend else pool.shares(row.voices[0]))
                if row.draft.tokens == row.sampling.max_new_tokens:
                    row.draft.over, row.draft.finish = True, "length"
            self._tell(row)

    def _tell(self, row: _Row) -> None:
        """Make the text of an answer, as far as it stands, and the piece that is new in it."""
        draft, sampling, raw = row.draft, row.sampling, row.prompt.ids is not None
        if not (draft.over or row.watched or sampling.stop):
            return
        text = decode(self._pool.base.tokenizer, row.answer)
        text, stopped = shown(text if raw else text.lstrip(), sampling.stop, draft.over)
        if stopped:
            draft.over, draft.finish = True, "stop"
        text = text if raw else text.rstrip()
        new, draft.text = text[len(draft.text) :], text
        if row.watched and (new or (draft.over and row.untold)):
            shares = row.shares[-1] if row.shares else {}
            draft.pieces.append(Piece(new, shares, tuple(row.untold)))
            row.untold = []
        if draft.over and sampling.is_plain:
            self._pool.learn(row.prompt, sampling.max_new_tokens, draft)

    def _tell_prompts(self, rows: Sequence[_Row], logits: Tensor) -> None:
        """Tell the tokens of prompts, from `logits` (models of all rows, tokens, vocabulary)."""
        start = 0
        for row in rows:
            own = logits[start : start + len(row.voices), -len(row.ids) : -1].log_softmax(dim=-1)
            start += len(row.voices)
            tokenizer, first = self._pool.base.tokenizer, row.ids[0]
            text = token_text(tokenizer, None, first)
            row.draft.prompt = [
                Token(first, text, None, None),
                *tell_tokens(
                    tokenizer,
                    first,
                    row.ids[1:],
                    _blended(row, own),
                    row.sampling.alternatives or 0,
                ),
            ]


def _places(rows: Sequence[_Row]) -> list[int]:
    """Where the models of those rows stand that are not over."""
    places = [not row.draft.over for row in rows for _ in row.voices]
    return [at for at, stays in enumerate(places) if stays]


def _blended(row: _Row, log_probabilities: Tensor) -> Tensor:
    """(models, ..., vocabulary) to (..., vocabulary)."""
    blend = row.prompt.blend
    return log_probabilities[0] if blend is None else blend.combine(log_probabilities)


def _is_of_one_model(prompt: Prompt) -> bool:
    return prompt.ids is None and isinstance(prompt.voice, str | None)


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


__all__ = [
    "BASE",
    "Blend",
    "Draft",
    "ExpertPool",
    "Likelihood",
    "OpenBatch",
    "Piece",
    "Prompt",
    "Sampling",
    "Token",
]
