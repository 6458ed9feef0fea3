"""Bases: the shared language models that experts adapt."""

import copy
import hashlib
import json
import re
from dataclasses import dataclass
from inspect import signature
from math import prod
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

POCKET = Path(__file__).parent / "pocket"
"""The folder of the base that is shipped."""

WEIGHTS = "*.safetensors"
IDENTITY = (
    WEIGHTS,
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
"""Files that decide what a base answers; its SHA-256 is taken over them."""

CONTEXT_LENGTH_UNSTATED = 2048


class BaseError(Exception):
    """A base cannot be used; the message says why."""


@dataclass(frozen=True)
class BaseFacts:
    """What is known of a base without loading it."""

    source: str
    sha256: str
    parameters: int
    context_length: int
    licence: str
    """As its model card's head says, for example "apache-2.0"; empty if it does not."""
    architecture: str


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

    Only safetensors are read and no code of the source is run. Raises BaseError.
    """
    facts, folder = _examine(source, revision)
    if not device:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    half = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    transformers_logging.disable_progress_bar()
    options = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
        model = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype=torch.bfloat16 if half else torch.float32, **options
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
    model.requires_grad_(False).eval().to(device)
    return Base(model, tokenizer, facts.sha256, facts.parameters, facts.context_length, source)


def describe_base(source: str, revision: str = "") -> BaseFacts:
    """What registration needs to know of a base; reads headers, loads no weights.

    A base on the Hub is downloaded (once). Raises BaseError.
    """
    return _examine(source, revision)[0]


def _examine(source: str, revision: str) -> tuple[BaseFacts, Path]:
    folder = _folder(source, revision)
    files = sorted({path for pattern in IDENTITY for path in folder.glob(pattern)})
    weights = [path for path in files if path.match(WEIGHTS)]
    config_file = folder / "config.json"
    if not weights:
        raise BaseError(f"{source} has no safetensors weights; other formats are not read.")
    if not config_file.is_file():
        raise BaseError(f"{source} has no config.json.")
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
        parameters = sum(_count_parameters(path) for path in weights)
    except (ValueError, SafetensorError) as error:
        raise BaseError(f"{source} is damaged: {error}") from error
    facts = BaseFacts(
        source=source,
        sha256=sha256_of_files(files),
        parameters=parameters,
        context_length=int(
            config.get("max_position_embeddings")
            or config.get("n_positions")
            or CONTEXT_LENGTH_UNSTATED
        ),
        licence=_licence(folder / "README.md"),
        architecture=next(iter(config.get("architectures") or []), ""),
    )
    return facts, folder


def _folder(source: str, revision: str) -> Path:
    folder = Path(source)
    if folder.is_dir():
        return folder
    try:
        patterns = [*IDENTITY, "README.md"]
        return Path(snapshot_download(source, revision=revision or None, allow_patterns=patterns))
    except HFValidationError as error:
        raise BaseError(f"{source} is neither a folder nor the id of a model.") from error
    except (HfHubHTTPError, OSError) as error:
        raise BaseError(f"{source} cannot be fetched from the Hub: {error}") from error


def _count_parameters(weights: Path) -> int:
    with safe_open(weights, framework="pt") as tensors:
        return sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


def _licence(card: Path) -> str:
    if not card.is_file():
        return ""
    head = re.match(r"---\n(.*?)\n---", card.read_text(encoding="utf-8"), re.DOTALL)
    stated = head and re.search(r"^license:\s*(\S+)", head[1], re.MULTILINE)
    return stated[1].strip("\"'") if stated else ""


def sha256_of_files(files: list[Path]) -> str:
    """Hex SHA-256 over one line a file: the SHA-256 of its content and its name."""
    lines = hashlib.sha256()
    for path in files:
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        lines.update(f"{digest}  {path.name}\n".encode())
    return lines.hexdigest()
