"""The pool of experts: one base in memory, answering each row of a batch with its own adapter."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model, set_peft_model_state_dict
from torch import Tensor
from transformers import DynamicCache

from training_workers.engine.adapters import AdapterError, read_adapter
from training_workers.engine.bases import Base
from training_workers.engine.data import encode_prompt

BASE_ALONE = "__base__"
"""PEFT's name for a row without an adapter."""

ROWS_A_BATCH = 64


@dataclass(frozen=True)
class Prompt:
    """A text and the expert that answers it; None is the base alone."""

    text: str
    expert: str | None


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen: greedily at temperature 0, else by a seeded draw."""

    max_new_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0


@dataclass
class _Row:
    """One answer in the making."""

    index: int
    ids: list[int]
    expert: str
    draws: torch.Generator
    answer: list[int] = field(default_factory=list)


class ExpertPool:
    """One base in memory and any number of LoRA adapters on it.

    A row's answer depends on its prompt, expert and sampling alone, not on the other rows.
    The pool is not thread-safe: one thread owns it. `base` itself stays without adapters.
    """

    def __init__(self, base: Base, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self._base = base
        self._model: Any = base.twin()
        self._names: set[str] = set()

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    def add(self, name: str, folder: Path) -> None:
        """Load the adapter in `folder` as `name`, in the place of one already called so.

        Raises AdapterError if the adapter was made for another base, has other shapes than it,
        is not plain, or holds numbers that are not finite; the pool is then as before.
        """
        if not name or name == BASE_ALONE or "." in name:
            raise AdapterError(f"An expert cannot be called {name!r}.")
        adapter = read_adapter(folder, self._base)
        self.remove(name)
        with torch.random.fork_rng():
            if self._names:
                self._model.add_adapter(name, adapter.config())
            else:
                self._model = get_peft_model(self._model, adapter.config(), adapter_name=name)
        set_peft_model_state_dict(self._model, adapter.tensors, adapter_name=name)
        self._model.requires_grad_(False).eval()
        self._names.add(name)

    def remove(self, name: str) -> None:
        """Forget the expert `name`; nothing happens if there is none."""
        if name not in self._names:
            return
        self._names.remove(name)
        if self._names:
            self._model.set_adapter(min(self._names))
            self._model.delete_adapter(name)
        else:
            self._model = self._base.twin()

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[str]:
        """The answers to `prompts`, in their order. Raises KeyError for an unknown expert."""
        rows = self._rows(prompts, sampling)
        rows.sort(key=lambda row: len(row.ids))
        for start in range(0, len(rows), ROWS_A_BATCH):
            for _ in self._steps(rows[start : start + ROWS_A_BATCH], sampling):
                pass
        rows.sort(key=lambda row: row.index)
        return [self._text(row).strip() for row in rows]

    def stream(self, prompts: Sequence[Prompt], sampling: Sampling) -> Iterator[list[str | None]]:
        """Answer `prompts` in one batch, a list of new pieces of text a step.

        A row's pieces join to what `generate` returns; None stands for a row that has finished.
        """
        rows = self._rows(prompts, sampling)
        sent = [""] * len(rows)
        closed = [False] * len(rows)
        for open_rows in self._steps(list(rows), sampling):
            still_open = {row.index for row in open_rows}
            pieces: list[str | None] = []
            for row in rows:
                if closed[row.index]:
                    pieces.append(None)
                    continue
                closed[row.index] = row.index not in still_open
                text = self._text(row).strip()
                if not closed[row.index]:
                    # Bytes of an unfinished character show as U+FFFD until the rest has come.
                    text = text.rstrip("\ufffd").rstrip()
                pieces.append(text[len(sent[row.index]) :])
                sent[row.index] = text
            yield pieces

    def _rows(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[_Row]:
        room = self._base.context_length - sampling.max_new_tokens
        if sampling.max_new_tokens < 1 or room < 1:
            raise ValueError(
                f"max_new_tokens must be between 1 and {self._base.context_length - 1}."
            )
        rows = []
        for index, prompt in enumerate(prompts):
            if prompt.expert is not None and prompt.expert not in self._names:
                raise KeyError(prompt.expert)
            expert = prompt.expert or BASE_ALONE
            ids = encode_prompt(self._base.tokenizer, prompt.text, room)
            key = f"{sampling.seed} {expert} {prompt.text}".encode()
            seed = int.from_bytes(hashlib.sha256(key).digest()[:7])
            rows.append(_Row(index, ids, expert, torch.Generator().manual_seed(seed)))
        return rows

    def _steps(self, rows: list[_Row], sampling: Sampling) -> Iterator[list[_Row]]:
        """Extend every row's answer a token a step; yields the rows that go on."""
        if not rows:
            return
        ids, mask = self._padded(rows)
        cache = DynamicCache()
        for step in range(sampling.max_new_tokens):
            chosen = self._choose(self._next_logits(rows, ids, mask, cache), rows, sampling)
            going = []
            for position, (row, token) in enumerate(zip(rows, chosen, strict=True)):
                if token != self._base.tokenizer.eos_token_id:
                    row.answer.append(token)
                    going.append(position)
            if step == sampling.max_new_tokens - 1:
                going = []
            if len(going) < len(rows):
                rows = [rows[position] for position in going]
                kept = torch.tensor(going, dtype=torch.long, device=self._base.device)
                if rows:
                    cache.batch_select_indices(kept)
                    mask = mask[kept]
            yield rows
            if not rows:
                return
            ids = torch.tensor([[row.answer[-1]] for row in rows], device=self._base.device)
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)

    def _padded(self, rows: list[_Row]) -> tuple[Tensor, Tensor]:
        """Token ids and their mask, (rows, longest) each, padded on the left."""
        longest = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), longest), self._base.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, longest - len(row.ids) :] = torch.tensor(row.ids)
            mask[number, longest - len(row.ids) :] = 1
        return ids.to(self._base.device), mask.to(self._base.device)

    @torch.inference_mode()
    def _next_logits(
        self, rows: list[_Row], ids: Tensor, mask: Tensor, cache: DynamicCache
    ) -> Tensor:
        """Scores (rows, vocabulary) of the token after `ids`, which the cache takes up."""
        inputs: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
        if self._base.accepts("position_ids"):
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            inputs["position_ids"] = positions[:, -ids.size(1) :]
        if self._base.accepts("logits_to_keep"):
            inputs["logits_to_keep"] = 1
        if self._names:
            inputs["adapter_names"] = [row.expert for row in rows]
        logits = self._model(input_ids=ids, attention_mask=mask, **inputs).logits[:, -1]
        # A vocabulary may be padded to a round size: tokens that the tokenizer lacks do not count.
        known: Tensor = logits[:, : len(self._base.tokenizer)].float()
        return known

    def _choose(self, logits: Tensor, rows: list[_Row], sampling: Sampling) -> list[int]:
        if sampling.temperature == 0:
            greedy: list[int] = logits.argmax(dim=-1).tolist()
            return greedy
        chances = (logits / sampling.temperature).softmax(dim=-1).cpu()
        return [
            int(torch.multinomial(chance, 1, generator=row.draws))
            for chance, row in zip(chances, rows, strict=True)
        ]

    def _text(self, row: _Row) -> str:
        text: str = self._base.tokenizer.decode(
            row.answer, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text
