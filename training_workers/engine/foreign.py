"""Adapters that were trained elsewhere: made into one of the house, or refused."""

from pathlib import Path

import torch
from transformers.pytorch_utils import Conv1D

from training_workers.engine.adapters import Adapter, AdapterError, read_adapter, write_adapter
from training_workers.engine.bases import Base


def targets(base: Base) -> set[str]:
    """The layers that an adapter may adapt: all linear ones but the output's, as in training."""
    output = base.model.get_output_embeddings()
    return {
        name
        for name, module in base.model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not output
    }


def adopt(folder: Path, base: Base, out: Path) -> Adapter:
    """Write the PEFT LoRA in `folder` to `out` as our own training would: float32, scaling 1.

    The same update has the same files and hash, whoever trained it. Raises AdapterError where it
    does not fit `base`, has numbers that are not finite, or changes nothing.
    """
    adapter = read_adapter(folder, base)
    if unknown := set(adapter.layers) - targets(base):
        raise AdapterError(f"{min(unknown)} is no layer that experts of this base adapt.")
    products = [up.norm() * down.norm() for up, down in map(adapter.factors, adapter.layers)]
    if not torch.isfinite(torch.stack(products).float()).all():
        raise AdapterError("The numbers of the adapter are too large to be multiplied.")
    if not any(products):
        raise AdapterError("The adapter changes nothing: it answers as the base does.")
    write_adapter(out, adapter.tensors, 1.0, base)
    return adapter
