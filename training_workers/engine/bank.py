"""A bank of experts: one base in memory that answers each row of a batch with its own LoRA.

A linear layer W gives a row x of expert e  W x + B_e A_e x.  Rows of one expert stand together in
blocks of equal height, and two batched matrix products over the stacked A and B serve all blocks,
whatever the number of experts: Punica (Chen et al. 2023, arXiv 2310.18547), S-LoRA (Sheng et al.
2023, arXiv 2311.03285). Adapters of smaller rank are padded with zeros. A weighted sum
sum_e w_e B_e A_e  is an adapter too: the A_e one below another, the w_e B_e side by side.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers.pytorch_utils import Conv1D

from training_workers.engine.adapters import PREFIX, Adapter, AdapterError
from training_workers.engine.bases import Base

Voice = str | Mapping[str, float]
"""Who answers a row: an expert, "" for the base alone, or experts and their weights."""

_Parts = tuple[tuple[str, float], ...]
"""A voice spelt out: experts and weights in the order of their names; () is the base alone."""


@dataclass(frozen=True)
class _Blocks:
    """Which rows stand where; rows of the base stand nowhere.

    `rows` (blocks x height) is the row at each place, or any row where a block is not full;
    `full` are the places that count and `answered` their rows. `straight` says that these are
    all the rows of the batch, in their order.
    """

    rows: Tensor
    full: Tensor
    answered: Tensor
    straight: bool


class _Layer:
    """What the experts add to one linear layer; a forward hook."""

    def __init__(self) -> None:
        self.experts: dict[str, tuple[Tensor, Tensor]] = {}  # A (rank, inputs), B.T (rank, outputs)
        self.blocks: _Blocks | None = None
        self._stacked: tuple[Tensor, Tensor] | None = None

    def stack(self, voices: Sequence[_Parts]) -> None:
        """Put the matrices of a voice a block together: (blocks, rank, inputs or outputs)."""
        self._stacked = None
        if not voices or not self.experts:
            return
        down, up = next(iter(self.experts.values()))
        downs, ups = [], []
        for voice in voices:
            own = [(*self.experts[name], weight) for name, weight in voice if name in self.experts]
            downs.append(torch.cat([part for part, _, _ in own]) if own else down[:0])
            ups.append(torch.cat([part * weight for _, part, weight in own]) if own else up[:0])
        if any(map(len, downs)):
            self._stacked = pad_sequence(downs, True), pad_sequence(ups, True)

    def __call__(self, _linear: torch.nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """`output` (rows, tokens, outputs), with the update of every row's voice added to it."""
        if self.blocks is None or self._stacked is None:
            return output
        down, up = self._stacked
        rows = inputs[0] if self.blocks.straight else inputs[0][self.blocks.rows]
        hidden = torch.bmm(rows.reshape(len(down), -1, down.size(2)), down.mT)
        if self.blocks.straight:
            output.view(len(up), -1, up.size(2)).baddbmm_(hidden, up)
            return output
        update = torch.bmm(hidden, up).view(len(rows), -1, up.size(2))
        return output.index_add_(0, self.blocks.answered, update[self.blocks.full])


class LoraBank:
    """One base in memory and any number of LoRA adapters on it, one voice a row of a batch.

    A row's output depends on its inputs and its voice alone. The matrices of the last batch's
    voices stay together for the next one. Not thread-safe. `base` itself stays without adapters.
    """

    def __init__(self, base: Base) -> None:
        self._model: Any = base.twin()
        self._names: set[str] = set()
        self._layers: dict[str, _Layer] = {}
        for name, module in self._model.named_modules():
            if isinstance(module, torch.nn.Linear | Conv1D):
                self._layers[name] = _Layer()
                module.register_forward_hook(self._layers[name])
        self._arranged: tuple[_Parts, ...] = ()
        self._stack({})

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._names)

    def add(self, name: str, adapter: Adapter) -> None:
        """Hold `adapter` as `name`, in the place of one already called so.

        Raises AdapterError for an empty name or a layer that the base lacks; the bank is then as
        before.
        """
        if not name:
            raise AdapterError("An expert cannot be called ''.")
        if missing := set(adapter.layers) - self._layers.keys():
            raise AdapterError(f"The base has no linear layer {min(missing)}.")
        self.remove(name)
        self._names.add(name)
        like = self._model
        for layer in adapter.layers:
            down = adapter.tensors[f"{PREFIX}{layer}.lora_A.weight"]
            up = adapter.tensors[f"{PREFIX}{layer}.lora_B.weight"].mT
            self._layers[layer].experts[name] = (
                down.to(like.device, like.dtype),
                up.to(like.device, like.dtype).contiguous(),
            )

    def remove(self, name: str) -> None:
        """Forget the expert `name`; nothing happens if there is none."""
        self._names.discard(name)
        for layer in self._layers.values():
            layer.experts.pop(name, None)
        self._stack({})
        self._arrange(())

    def __call__(self, experts: Sequence[Voice], **inputs: Any) -> Any:
        """The model's output for `inputs`; `experts` has the voice of every row.

        Raises KeyError for an unknown expert.
        """
        voices = tuple(self._spelt(voice) for voice in experts)
        if voices != self._arranged:
            self._arrange(voices)
        return self._model(**inputs)

    def _spelt(self, voice: Voice) -> _Parts:
        weights = {voice: 1.0} if isinstance(voice, str) else voice
        parts = tuple(sorted((name, weight) for name, weight in weights.items() if name and weight))
        for name, _ in parts:
            if name not in self._names:
                raise KeyError(name)
        return parts

    def _arrange(self, voices: tuple[_Parts, ...]) -> None:
        """Put the rows of each voice into blocks; stack anew if the last ones do not do.

        They do as long as the rows fit in and fill half of what they were made for, so that rows
        may finish without a copy of all matrices a step.
        """
        rows_of: dict[_Parts, list[int]] = defaultdict(list)
        for row, voice in enumerate(voices):
            if voice:
                rows_of[voice].append(row)
        answered = sum(map(len, rows_of.values()))
        places = self._placed(rows_of)
        if places is None or 2 * answered < self._made_for:
            self._stack({voice: len(rows) for voice, rows in rows_of.items()})
            places = self._placed(rows_of)
        if places and len(self._stacked) == 1:  # one block may be of any height
            places = places[:answered]
        blocks = self._blocks(places, len(voices)) if places else None
        for layer in self._layers.values():
            layer.blocks = blocks
        self._arranged = voices

    def _stack(self, counts: Mapping[_Parts, int]) -> None:
        """Make blocks for so many rows of each voice, as high as a voice has rows on average.

        So there are at most twice as many blocks as voices, however uneven the counts are.
        """
        self._made_for = sum(counts.values())
        self._height = -(-self._made_for // max(1, len(counts)))
        self._stacked = [
            voice for voice, count in counts.items() for _ in range(0, count, self._height)
        ]
        for layer in self._layers.values():
            layer.stack(self._stacked)

    def _placed(self, rows_of: Mapping[_Parts, list[int]]) -> list[int | None] | None:
        """The row at each place of the blocks; None if the blocks have no room for all rows."""
        waiting = {voice: iter(rows) for voice, rows in rows_of.items()}
        places = [
            next(waiting.get(voice, iter(())), None)
            for voice in self._stacked
            for _ in range(self._height)
        ]
        return None if any(list(rows) for rows in waiting.values()) else places

    def _blocks(self, places: Sequence[int | None], rows: int) -> _Blocks:
        full = [(place, row) for place, row in enumerate(places) if row is not None]

        def tensor(numbers: list[int]) -> Tensor:
            return torch.tensor(numbers, device=self._model.device)

        return _Blocks(
            rows=tensor([row or 0 for row in places]),
            full=tensor([place for place, _ in full]),
            answered=tensor([row for _, row in full]),
            straight=places == list(range(rows)),
        )
