"""The slow and obvious way: one whole model an expert, one prompt at a time, no cache, no batch."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from training_workers.engine.adapters import PREFIX, Adapter
from training_workers.engine.bases import Base

Models = dict[str, Any]
"""A model for each name; "" is the base."""


@dataclass(frozen=True)
class Said:
    """An answer, its tokens (the end token too), and their log-probability in nats."""

    text: str
    tokens: tuple[int, ...]
    log_probability: float


def peft_models(base: Base, folders: Mapping[str, Path]) -> Models:
    experts = {
        name: PeftModel.from_pretrained(base.twin(), str(folder)).eval()
        for name, folder in folders.items()
    }
    return {"": base.model, **experts}


def updates(adapter: Adapter) -> dict[str, Tensor]:
    """dW = B A of every layer."""
    return {
        layer: adapter.tensors[f"{PREFIX}{layer}.lora_B.weight"]
        @ adapter.tensors[f"{PREFIX}{layer}.lora_A.weight"]
        for layer in adapter.layers
    }


def moved(base: Base, by: Mapping[str, Tensor]) -> Any:
    """A copy of the base with  W + dW  in the place of W."""
    model = copy.deepcopy(base.model)
    for layer, update in by.items():
        module = model.get_submodule(layer)
        module.weight += update if isinstance(module, torch.nn.Linear) else update.T
    return model


def question(base: Base, text: str, most: int) -> list[int]:
    """Token ids of a prompt, the oldest cut off so that `most` more have room."""
    ids: list[int] = base.tokenizer(text.strip() + "\n")["input_ids"]
    return ids[most - base.context_length :]


@torch.no_grad()
def next_token(base: Base, model: Any, ids: list[int]) -> Tensor:
    """Log-probabilities (vocabulary,) of the token after `ids`."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, -1, : len(base.tokenizer)]
    found: Tensor = logits.log_softmax(dim=-1)
    return found


def decode(base: Base, text: str, most: int, step: Callable[[list[int]], Tensor]) -> Said:
    """Greedily, at most `most` tokens; `step` gives log-probabilities after some ids."""
    ids, total = question(base, text, most), 0.0
    made: list[int] = []
    while len(made) < most:
        scores = step(ids + made)
        made.append(int(scores.argmax()))
        total += float(scores.max())
        if made[-1] == base.tokenizer.eos_token_id:
            break
    said = base.tokenizer.decode(made, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Said(said.strip(), tuple(made), total)


def ask(base: Base, model: Any, text: str, most: int) -> Said:
    return decode(base, text, most, lambda ids: next_token(base, model, ids))
