"""An adapter that somebody else made: its config and the header of its weights are read and
bounded here, before anything of it is loaded.

Taken is a plain LoRA as PEFT writes it, in safetensors. Each refusal is one sentence for its owner.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import IO, Any

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
DTYPES = {"F32": 4, "F16": 2, "BF16": 2}
"""The number formats that are taken, and their bytes."""

FREE = {
    "auto_mapping", "base_model_name_or_path", "exclude_modules", "fan_in_fan_out",
    "inference_mode", "layers_pattern", "layers_to_transform", "lora_dropout", "megatron_core",
    "peft_type", "peft_version", "qalora_group_size", "revision", "target_modules",
}  # fmt: skip
"""Settings that change nothing: the names and shapes of the weights say which layers they adapt."""
CHECKED = {"task_type", "r", "lora_alpha", "use_rslora", "bias", "init_lora_weights"}
STARTS = (None, True, False, "gaussian", "orthogonal", "eva")
"""Ways to begin a LoRA that leave the base as it is; PiSSA, OLoRA and the like change it."""
WHY_NOT = {
    "use_dora": "DoRA adapts magnitudes beside the LoRA",
    "modules_to_save": "it replaces whole layers of the base",
    "rank_pattern": "its layers have different ranks",
    "alpha_pattern": "its layers have different alphas",
    "trainable_token_indices": "it changes the vocabulary",
    "lora_bias": "it adds biases",
}
NAME = re.compile(r"base_model\.model\.((?:\w+\.)*\w+)\.lora_([AB])\.weight", re.ASCII)
MOST_NAME_CHARS = 256
MOST_WIDTH = 2**20
MOST_ALPHA = 2**16


class AdapterRefused(Exception):
    """An adapter cannot be taken; the message says why and what to do."""


@dataclass(frozen=True)
class AdapterLimits:
    """Upper bounds of an adapter and of the files that come with it."""

    max_bytes: int = 200 * 2**20
    max_rank: int = 64
    max_layers: int = 4096
    max_header_bytes: int = 2**20
    max_config_bytes: int = 2**16
    max_card_bytes: int = 2**14
    max_profile_bytes: int = 2**21
    max_zip_entries: int = 256
    max_zip_directory_bytes: int = 2**17


@dataclass(frozen=True)
class Settings:
    """What of a config counts: dW = scaling B A, with alpha / rank, or alpha / sqrt(rank)."""

    rank: int
    alpha: float
    rslora: bool
    base_name: str

    def to_config(self) -> dict[str, Any]:
        """As PEFT names them."""
        return {
            "peft_type": "LORA",
            "r": self.rank,
            "lora_alpha": self.alpha,
            "use_rslora": self.rslora,
        }


@dataclass(frozen=True)
class Header:
    """What the weights say of themselves: how many layers, which rank, made on which base."""

    layers: int
    rank: int
    base_sha256: str


def read_settings(content: bytes, limits: AdapterLimits) -> Settings:
    """The config of a plain LoRA. Raises AdapterRefused."""
    if len(content) > limits.max_config_bytes:
        raise AdapterRefused(f"{CONFIG} is longer than {limits.max_config_bytes:,} bytes.")
    config = read_json(content, CONFIG)
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise AdapterRefused(f"{CONFIG} is not that of a LoRA: peft_type must be “LORA”.")
    for name, value in config.items():
        if name not in FREE | CHECKED and not _is_off(value):
            why = WHY_NOT.get(name, "it is not a plain LoRA's")
            raise AdapterRefused(
                f"{CONFIG} sets {_quoted(name)}, which is not taken: {why}. "
                "Train a plain LoRA without it."
            )
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        raise AdapterRefused(f"{CONFIG} is for another task: task_type must be “CAUSAL_LM”.")
    if config.get("bias") not in (None, "none"):
        raise AdapterRefused(f"{CONFIG} trains biases; bias must be “none”.")
    start = config.get("init_lora_weights")
    if not isinstance(start, bool | str | None) or start not in STARTS:
        raise AdapterRefused(
            f"{CONFIG} begins with init_lora_weights {_quoted(start)}, which changes the base. "
            "Convert it to a plain LoRA with PEFT and bring that."
        )
    rank: Any = config.get("r")
    alpha: Any = config.get("lora_alpha")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= limits.max_rank:
        raise AdapterRefused(
            f"The rank r is {_quoted(rank)}; it must be a whole number from 1 to {limits.max_rank}."
        )
    numeric = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    if not numeric or not 0 < alpha <= MOST_ALPHA:  # NaN is in no order
        raise AdapterRefused(
            f"lora_alpha is {_quoted(alpha)}; it must be above 0 and at most {MOST_ALPHA:,}."
        )
    rslora = config.get("use_rslora")
    if not isinstance(rslora, bool | None):
        raise AdapterRefused(f"use_rslora is {_quoted(rslora)}; it must be true or false.")
    name = config.get("base_model_name_or_path") or ""
    if not isinstance(name, str) or len(name) > MOST_NAME_CHARS or not name.isprintable():
        raise AdapterRefused("base_model_name_or_path is not the name of a model.")
    return Settings(rank, alpha, bool(rslora), name)


def read_header(weights: IO[bytes], size: int, limits: AdapterLimits) -> Header:
    """The header of a safetensors file of `size` bytes, held against that size.

    The tensors must fill the file without a gap or an overlap, and be the A and B of a LoRA, in
    pairs of one rank. Raises AdapterRefused.
    """
    if size > limits.max_bytes:
        raise AdapterRefused(
            f"{WEIGHTS} has {size / 2**20:,.0f} MiB; at most "
            f"{limits.max_bytes / 2**20:,.0f} MiB are taken. Lower the rank or adapt fewer layers."
        )
    start = weights.read(9)
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{":
        raise AdapterRefused(
            f"{WEIGHTS} is not a safetensors file, whatever its name. Pickles (.bin, .pt) are "
            "never read, for they can run code: save with safe_serialization=True."
        )
    if not 2 <= length <= min(size - 8, limits.max_header_bytes):
        raise AdapterRefused(
            f"{WEIGHTS} says that its header has {length:,} bytes. It must lie inside the file and "
            f"have at most {limits.max_header_bytes:,}."
        )
    header = read_json(b"{" + weights.read(length - 1), f"The header of {WEIGHTS}")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict):
        raise AdapterRefused(f"The metadata of {WEIGHTS} are not names and values.")
    if not 0 < len(header) <= 2 * limits.max_layers:
        raise AdapterRefused(
            f"{WEIGHTS} holds {len(header):,} tensors; it must hold 2 for each adapted layer, "
            f"and at most {limits.max_layers:,} layers."
        )
    shapes = _shapes(header, size - 8 - length)
    rank = _rank(shapes)
    base = about.get("base_sha256", "")
    if not isinstance(base, str) or not re.fullmatch(r"([0-9a-f]{64})?", base):
        raise AdapterRefused(f"The base_sha256 in {WEIGHTS} is not a SHA-256.")
    return Header(len(shapes) // 2, rank, base)


def read_json(content: bytes, what: str) -> Any:
    """JSON without the liberties that readers take differently: no key twice, no NaN."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise AdapterRefused(f"{what} says {_quoted(name)} twice.")
            found[name] = value
        return found

    def refuse(constant: str) -> None:
        raise AdapterRefused(f"{what} holds {constant}, which is not JSON.")

    try:
        return json.loads(content.decode(), object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise AdapterRefused(f"{what} is not valid JSON in UTF-8.") from error


def _shapes(header: Mapping[str, Any], room: int) -> dict[str, list[int]]:
    """The tensors' shapes, if their places fill `room` bytes one after the other."""
    places = []
    for name, tensor in header.items():
        if not isinstance(tensor, dict) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
            raise AdapterRefused(f"{WEIGHTS} describes {_quoted(name)} in an unknown way.")
        dtype, shape, place = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise AdapterRefused(
                f"{_quoted(name)} has numbers of type {_quoted(dtype)}; "
                f"{', '.join(DTYPES)} are taken."
            )
        if not _are_sizes(shape, 2) or not all(0 < width <= MOST_WIDTH for width in shape):
            raise AdapterRefused(
                f"{_quoted(name)} has the shape {_quoted(shape)}, which no LoRA has."
            )
        if not _are_sizes(place, 2) or place[1] - place[0] != prod(shape) * DTYPES[dtype]:
            raise AdapterRefused(
                f"The place of {_quoted(name)} in {WEIGHTS} does not fit its shape and type."
            )
        places.append((*place, name))
    end = 0
    for start, stop, name in sorted(places):
        if start != end:
            raise AdapterRefused(
                f"{WEIGHTS} leaves a gap before {_quoted(name)}, or lays it over another tensor."
            )
        end = stop
    if end != room:
        raise AdapterRefused(
            f"{WEIGHTS} says that its tensors have {end:,} bytes, but {room:,} follow the header. "
            "It is cut off, or holds something else."
        )
    return {name: tensor["shape"] for name, tensor in header.items()}


def _rank(shapes: Mapping[str, list[int]]) -> int:
    """The one rank of all pairs of A (rank, inputs) and B (outputs, rank)."""
    ranks: dict[str, dict[str, int]] = {}
    for name, (rows, columns) in shapes.items():
        found = NAME.fullmatch(name) if len(name) <= MOST_NAME_CHARS else None
        if found is None:
            raise AdapterRefused(
                f"{WEIGHTS} holds {_quoted(name)}, which is not a weight of a plain LoRA "
                "(base_model.model.<layer>.lora_A.weight or .lora_B.weight)."
            )
        layer, part = found.groups()
        ranks.setdefault(layer, {})[part] = rows if part == "A" else columns
    for layer, parts in ranks.items():
        if parts.keys() != {"A", "B"}:
            raise AdapterRefused(
                f"{WEIGHTS} has only one of A and B for the layer {_quoted(layer)}."
            )
    every = {rank for parts in ranks.values() for rank in parts.values()}
    if len(every) > 1:
        raise AdapterRefused(f"{WEIGHTS} has layers of different ranks: {_quoted(sorted(every))}.")
    return every.pop()


def _is_off(value: Any) -> bool:
    return value is None or value is False or value == {} or value == []


def _are_sizes(value: Any, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value)
    )


def _quoted(value: Any) -> str:
    """Whatever a file says, in few and harmless characters."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
