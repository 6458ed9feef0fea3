"""Memory: how much was used, what to do where it runs out, and how to need less of it."""

import gc
import resource
from typing import Any

import torch
from transformers.modeling_layers import GradientCheckpointingLayer

CHECKPOINTING_FROM = 300_000_000
"""Bases with so many parameters compute activations again in the backward pass."""

# How torch's allocators for the CPU say it, in a plain RuntimeError.
_NO_MEMORY = ("can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or on the CPU."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _NO_MEMORY)


def release() -> None:
    """Give back what the allocators hold for nobody."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def peak_mib() -> float:
    """The most memory used at a time: on GPUs, of all that are visible, else by the process."""
    if torch.cuda.is_available():
        devices = range(torch.cuda.device_count())
        return float(sum(torch.cuda.max_memory_allocated(one) for one in devices) / 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def device_words(device: torch.device) -> str:
    """What trains, for a person: "NVIDIA H200", "2 x NVIDIA L4" or "CPU, 1 thread"."""
    if device.type != "cuda":
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    names = [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
    return names[0] if len(names) == 1 else f"{len(names)} x {names[0]}"


def checkpoint_activations(model: Any) -> None:
    """Keep only each layer's input of a PEFT model in the forward pass (Chen et al., arXiv
    1604.06174).

    Layers do so in training mode alone. They are put into it by themselves, without what is inside
    them, so that the base's own dropout stays off and the numbers stay the same.
    """
    model.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.training = True
