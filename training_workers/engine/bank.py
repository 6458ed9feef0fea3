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

STACKS_KEPT = 2
"""One for those who are answered, one for those who join them."""

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


_Stacked = tuple[Tensor, Tensor]


@dataclass
class _Stack:
    """Blocks of `height` rows, a voice each, made for so many rows; the matrices by layer."""

    voices: list[_Parts]
    height: int
    made_for: int
    layers: dict[str, _Stacked | None]

    def placed(self, rows_of: Mapping[_Parts, list[int]]) -> list[int | None] | None:
        """The row at each place of the blocks; None if the blocks have no room for all rows."""
        waiting = {voice: iter(rows) for voice, rows in rows_of.items()}
        places = [
            next(waiting.get(voice, iter(())), None)
            for voice in self.voices
            for _ in range(self.height)
        ]
        return None if any(list(rows) for rows in waiting.values()) else places


class _Layer:
    """What the experts add to one linear layer; a forward hook."""

    def __init__(self) -> None:
        self.experts: dict[str, tuple[Tensor, Tensor]] = {}  # A (rank, inputs), B.T (rank, outputs)
        self.blocks: _Blocks | None = None
        self.stacked: _Stacked | None = None

    def of(self, voice: _Parts) -> _Stacked | None:
        """A and B.T of a voice, (rank, inputs or outputs); None where it adds nothing here."""
        own = [(*self.experts[name], weight) for name, weight in voice if name in self.experts]
        if not own:
            return None
        if len(own) == 1 and own[0][2] == 1.0:
            return own[0][:2]
        downs, ups, weights = zip(*own, strict=True)
        return torch.cat(downs), torch.cat([u * w for u, w in zip(ups, weights, strict=True)])

    def stack(self, voices: Sequence[_Parts]) -> _Stacked | None:
        """The matrices of a voice a block together: (blocks, rank, inputs or outputs)."""
        found = [self.of(voice) for voice in voices]
        some = next((each for each in found if each is not None), None)
        if some is None:
            return None
        if len(found) == 1:
            return some[0][None], some[1][None]
        none = some[0][:0], some[1][:0]
        downs, ups = zip(*(each or none for each in found), strict=True)
        return pad_sequence(downs, True), pad_sequence(ups, True)

    def __call__(self, _linear: torch.nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        """`output` (rows, tokens, outputs), with the update of every row's voice added to it."""
        if self.blocks is None or self.stacked is None:
            return output
        down, up = self.stacked
        rows = inputs[0] if self.blocks.straight else inputs[0][self.blocks.rows]
        hidden = torch.bmm(rows.reshape(len(down), -1, down.size(2)), down.mT)
        if self.blocks.straight:
            output.view(len(up), -1, up.size(2)).baddbmm_(hidden, up)
            return output
        update = torch.bmm(hidden, up).view(len(rows), -1, up.size(2))
        return output.index_add_(0, self.blocks.answered, update[self.blocks.full])


class LoraBank:
    """One base in memory and any number of LoRA adapters on it, one voice a row of a batch.

    A row's output depends on its inputs and its voice alone. The matrices of the last batches'
    voices stay together for the next ones, and a voice that comes takes the block of one that went.
    Not thread-safe. `base` itself stays without adapters.
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
        self._stacks: list[_Stack] = []

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
        self._stacks.clear()
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
        """Put the rows of each voice into blocks."""
        rows_of: dict[_Parts, list[int]] = defaultdict(list)
        for row, voice in enumerate(voices):
            if voice:
                rows_of[voice].append(row)
        answered = sum(map(len, rows_of.values()))
        blocks = None
        if rows_of:
            stack, places = self._stack_for(rows_of, answered)
            if len(stack.voices) == 1:  # one block may be of any height
                places = places[:answered]
            blocks = self._blocks(places, len(voices))
        for name, layer in self._layers.items():
            layer.blocks = blocks
            layer.stacked = stack.layers[name] if rows_of else None
        self._arranged = voices

    def _stack_for(
        self, rows_of: Mapping[_Parts, list[int]], answered: int
    ) -> tuple[_Stack, list[int | None]]:
        """A stack that has room for the rows, and the row at each of its places.

        One that is at hand does as long as the rows fill half of what it was made for, so that
        rows may come and go without a copy of all matrices a step.
        """
        half = [stack for stack in self._stacks if 2 * answered >= stack.made_for]
        for fit in (lambda stack: True, lambda stack: self._take_over(stack, rows_of)):
            for stack in half:
                if fit(stack) and (places := stack.placed(rows_of)) is not None:
                    self._stacks.remove(stack)
                    self._stacks.insert(0, stack)
                    return stack, places
        stack = self._new_stack({voice: len(rows) for voice, rows in rows_of.items()})
        self._stacks = [stack, *self._stacks][:STACKS_KEPT]
        places = stack.placed(rows_of)
        assert places is not None
        return stack, places

    def _new_stack(self, counts: Mapping[_Parts, int]) -> _Stack:
        """Blocks for so many rows of each voice, as high as a voice has rows on average.

        So there are at most twice as many blocks as voices, however uneven the counts are.
        """
        made_for = sum(counts.values())
        height = -(-made_for // len(counts))
        voices = [voice for voice, count in counts.items() for _ in range(0, count, height)]
        layers = {name: layer.stack(voices) for name, layer in self._layers.items()}
        return _Stack(voices, height, made_for, layers)

    def _take_over(self, stack: _Stack, rows_of: Mapping[_Parts, list[int]]) -> bool:
        """Give the voices that lack a block those that nobody needs; whether that could be."""
        missing = {voice: -(-len(rows) // stack.height) for voice, rows in rows_of.items()}
        spare = []
        for block, voice in enumerate(stack.voices):
            if missing.get(voice, 0) > 0:
                missing[voice] -= 1
            else:
                spare.append(block)
        coming = [voice for voice, count in missing.items() for _ in range(count)]
        if len(stack.voices) == 1 or len(coming) > len(spare):
            return False
        new = {voice: {name: layer.of(voice) for name, layer in self._layers.items()}
               for voice in set(coming)}  # fmt: skip
        for own in new.values():
            for name, matrices in own.items():
                room = stack.layers[name]
                if matrices is not None and (room is None or len(matrices[0]) > room[0].size(1)):
                    return False
        for block, voice in zip(spare, coming, strict=False):
            stack.voices[block] = voice
            for name, room in stack.layers.items():
                matrices = new[voice][name]
                for at, whole in enumerate(room or ()):
                    whole[block].zero_()
                    if matrices is not None:
                        whole[block, : len(matrices[at])] = matrices[at]
        return True

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
