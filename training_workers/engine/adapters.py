"""Adapters on disk: plain LoRA in the layout of PEFT, as safetensors and a small JSON config."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from training_workers.engine.base_facts import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    hub_name,
    sha256_of_files,
)
from training_workers.engine.bases import Base

WEIGHTS, CONFIG = ADAPTER_WEIGHTS, ADAPTER_CONFIG
PREFIX = "base_model.model."


class AdapterError(Exception):
    """An adapter does not fit the base or is damaged; the message says why."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA whose scaling is 1: the update of a layer is B @ A.

    `tensors` has `<layer>.lora_A.weight` (rank, inputs) and `<layer>.lora_B.weight`
    (outputs, rank) under PEFT's prefix.
    """

    rank: int
    tensors: dict[str, Tensor]

    @property
    def layers(self) -> list[str]:
        return sorted({_layer(name) for name in self.tensors})

    def factors(self, layer: str) -> tuple[Tensor, Tensor]:
        """B (outputs, rank) and A (rank, inputs) of a layer, in double precision."""
        down = self.tensors[f"{PREFIX}{layer}.lora_A.weight"]
        up = self.tensors[f"{PREFIX}{layer}.lora_B.weight"]
        return up.double(), down.double()

    def config(self) -> LoraConfig:
        """The PEFT configuration that makes room for this adapter."""
        return LoraConfig(
            task_type="CAUSAL_LM",
            r=self.rank,
            lora_alpha=self.rank,
            lora_dropout=0.0,
            target_modules=self.layers,
            inference_mode=True,
        )


def adapter_sha256(folder: Path) -> str:
    """Hex SHA-256 of an adapter: its config and its weights."""
    return sha256_of_files([folder / CONFIG, folder / WEIGHTS])


def write_adapter(folder: Path, tensors: Mapping[str, Tensor], scaling: float, base: Base) -> None:
    """Write a LoRA atomically, with `scaling` folded into B so that the scaling is 1."""
    folder.mkdir(parents=True, exist_ok=True)
    folded = {
        name: (tensor * scaling if ".lora_B." in name else tensor).float().cpu().contiguous()
        for name, tensor in tensors.items()
    }
    rank = next(len(tensor) for name, tensor in folded.items() if ".lora_A." in name)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": hub_name(base.source),
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({_layer(name) for name in folded}),
        "inference_mode": True,
    }
    # One metadata key only: the order of several is not fixed, and the hash must be.
    save_file(folded, folder / f"{WEIGHTS}.tmp", metadata={"base_sha256": base.sha256})
    os.replace(folder / f"{WEIGHTS}.tmp", folder / WEIGHTS)
    (folder / f"{CONFIG}.tmp").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    os.replace(folder / f"{CONFIG}.tmp", folder / CONFIG)


def read_adapter(folder: Path, base: Base) -> Adapter:
    """Read a LoRA as PEFT writes it and check it against `base`: layers, shapes, finite numbers.

    Its scaling (alpha / rank, or alpha / sqrt(rank) for rsLoRA) is folded into B. Raises
    AdapterError.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            made_for = (file.metadata() or {}).get("base_sha256", base.sha256)
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise AdapterError(f"The adapter cannot be read: {error}") from error
    if made_for != base.sha256:
        raise AdapterError("The adapter was trained on another base.")
    rank, scaling = _rank_and_scaling(config)
    _check_shapes(tensors, rank, base.model)
    for name, tensor in tensors.items():
        if ".lora_B." in name:
            tensors[name] = tensor * scaling
        if not torch.isfinite(tensors[name]).all():
            raise AdapterError(f"{name} holds numbers that are not finite.")
    return Adapter(rank, tensors)


def _rank_and_scaling(config: Any) -> tuple[int, float]:
    """Raises AdapterError if the config is not that of a plain LoRA with one rank."""
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise AdapterError("The adapter is not a LoRA.")
    if config.get("rank_pattern") or config.get("alpha_pattern"):
        raise AdapterError("The adapter has layers of different rank or alpha.")
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if (
        not isinstance(rank, int)
        or not isinstance(alpha, int | float)
        or rank < 1
        or not isfinite(alpha)
    ):
        raise AdapterError("The adapter's config has no valid r and lora_alpha.")
    return rank, alpha / (rank**0.5 if config.get("use_rslora") else rank)


def _layer(name: str) -> str:
    """The base's layer that a tensor of an adapter belongs to."""
    return name.removeprefix(PREFIX).rsplit(".lora_", 1)[0]


def _check_shapes(tensors: Mapping[str, Tensor], rank: int, model: Any) -> None:
    layers = dict(model.named_modules())
    if not tensors:
        raise AdapterError("The adapter has no weights.")
    for name in tensors:
        layer = layers.get(_layer(name))
        if layer is None or not hasattr(layer, "weight") or layer.weight.ndim != 2:
            raise AdapterError(f"The base has no layer for {name}.")
        outputs, inputs = layer.weight.shape
        if not isinstance(layer, torch.nn.Linear):
            outputs, inputs = inputs, outputs  # GPT-2's Conv1D keeps its weight transposed
        expected = {
            f"{PREFIX}{_layer(name)}.lora_A.weight": (rank, inputs),
            f"{PREFIX}{_layer(name)}.lora_B.weight": (outputs, rank),
        }
        if name not in expected:
            raise AdapterError(f"{name} is not a weight of a plain LoRA.")
        for part, shape in expected.items():
            if part not in tensors:
                raise AdapterError(f"{part} is missing.")
            if tuple(tensors[part].shape) != shape:
                raise AdapterError(f"{part} has shape {tuple(tensors[part].shape)}, not {shape}.")
