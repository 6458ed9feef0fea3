"""Adapters as bytes, well made and otherwise, without torch."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

LAYERS = {"model.layers.0.self_attn.q_proj": (8, 8), "model.layers.0.mlp.down_proj": (8, 12)}
"""The adapted layers and their (outputs, inputs)."""


def config(**changes: Any) -> bytes:
    """`adapter_config.json` as PEFT writes it."""
    plain = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": 2,
        "lora_alpha": 4,
        "bias": "none",
        "use_dora": False,
        "use_rslora": False,
        "modules_to_save": None,
        "rank_pattern": {},
        "loftq_config": {},
        "init_lora_weights": True,
        "target_modules": ["q_proj", "down_proj"],
        "base_model_name_or_path": "",
        "peft_version": "0.21.2",
    }
    return json.dumps(plain | changes).encode()


def header(rank: int = 2, layers: Mapping[str, tuple[int, int]] = LAYERS) -> dict[str, Any]:
    """The header of its weights, float32, one tensor after the other."""
    found: dict[str, Any] = {}
    end = 0
    for layer, (outputs, inputs) in layers.items():
        for part, shape in (("A", [rank, inputs]), ("B", [outputs, rank])):
            start, end = end, end + 4 * shape[0] * shape[1]
            found[f"base_model.model.{layer}.lora_{part}.weight"] = {
                "dtype": "F32",
                "shape": shape,
                "data_offsets": [start, end],
            }
    return found


def weights(described: Mapping[str, Any] | None = None, data: bytes | None = None) -> bytes:
    """`adapter_model.safetensors`; `data` are the numbers, as many as are needed if None."""
    described = header() if described is None else described
    if data is None:
        data = b"\0\0\x80?" * (max(one["data_offsets"][1] for one in header().values()) // 4)
    text = json.dumps(described).encode()
    return struct.pack("<Q", len(text)) + text + data


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip of them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def folder(**changes: bytes) -> dict[str, bytes]:
    """The two files that an adapter needs; `config` and `weights` may be changed."""
    return {
        "adapter_model.safetensors": changes.get("weights", weights()),
        "adapter_config.json": changes.get("config", config()),
    }
