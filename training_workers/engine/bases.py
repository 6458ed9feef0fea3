"""Bases: the shared language models that experts adapt."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from training_workers.engine.base_facts import BaseError, examine


@dataclass
class Base:
    """A base in memory. Its weights are frozen: experts live in twins that share them."""

    model: Any
    tokenizer: Any
    sha256: str
    parameters: int
    context_length: int
    source: str

    @property
    def device(self) -> torch.device:
        device: torch.device = self.model.device
        return device

    def accepts(self, argument: str) -> bool:
        """Whether the model's forward names `argument`."""
        return argument in signature(type(self.model).forward).parameters

    def twin(self) -> Any:
        """A second module tree over the same weights: adapters in it leave this base as it is."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return copy.deepcopy(self.model, {id(tensor): tensor for tensor in tensors})


def load_base(source: str, revision: str = "", device: str = "") -> Base:
    """Load a causal language model from a folder or the Hub, on the GPU if there is one.

    One that the GPU has no room for is spread over all that the process sees, layer after layer.
    Only safetensors are read and no code of the source is run. Raises BaseError.
    """
    facts, folder = examine(source, revision)
    if not device:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    half = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    bytes_each = 2 if half else 4
    spread = device == "cuda" and needs_several(facts.parameters * bytes_each, _free_bytes())
    transformers_logging.disable_progress_bar()
    options = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            use_safetensors=True,
            dtype=torch.bfloat16 if half else torch.float32,
            # accelerate's; it leaves room for activations by itself
            device_map="auto" if spread else None,
            **options,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise BaseError(f"The base {source} cannot be loaded: {error}") from error
    if tokenizer.eos_token_id is None:
        raise BaseError(f"The tokenizer of {source} has no end-of-text token.")
    if tokenizer.pad_token_id is None:
        # Padding is always masked, so any token of the vocabulary can stand there.
        tokenizer.pad_token = tokenizer.eos_token
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise BaseError(f"The tokenizer of {source} has more tokens than its model.")
    model.requires_grad_(False).eval()
    if not spread:
        model.to(device)
    return Base(model, tokenizer, facts.sha256, facts.parameters, facts.context_length, source)


FOR_WEIGHTS = 0.6
"""The share of a GPU's free memory that weights may take; activations and adapters need some."""


def needs_several(weight_bytes: int, free: Sequence[int]) -> bool:
    """Whether weights must be spread: the first of several GPUs, with so many bytes `free` each,
    has no room for them and for training on them."""
    return len(free) > 1 and weight_bytes > FOR_WEIGHTS * free[0]


def _free_bytes() -> list[int]:
    return [torch.cuda.mem_get_info(one)[0] for one in range(torch.cuda.device_count())]
