"""What is known of a base without loading it: its hash, size and licence. Needs no torch."""

import hashlib
import json
import re
from dataclasses import dataclass
from math import prod
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open

POCKET = Path(__file__).parent / "pocket"
"""The folder of the base that is shipped."""
POCKET_NAME = "pocket"

ADAPTER_WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
"""The two files of an adapter, in the layout of PEFT."""
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


def describe_base(source: str, revision: str = "") -> BaseFacts:
    """What registration needs to know of a base; reads headers, loads no weights.

    A base on the Hub is downloaded (once). Raises BaseError.
    """
    return examine(source, revision)[0]


def examine(source: str, revision: str) -> tuple[BaseFacts, Path]:
    """The facts, and the folder in which the base's files lie. Raises BaseError."""
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
        raise BaseError(
            f"{source} is neither a folder on this machine nor the id of a model."
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise BaseError(f"{source} cannot be fetched from the Hub: {error}") from error


def _count_parameters(weights: Path) -> int:
    with safe_open(weights, framework="numpy") as tensors:
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


def source_name(source: str) -> str:
    """What a manifest calls a base: where `load_base` finds it, on the machine that wrote it."""
    return POCKET_NAME if Path(source) == POCKET else source


def hub_name(source: str) -> str:
    """A folder's path means nothing elsewhere; the id of a model on the Hub does."""
    return Path(source).name if Path(source).is_dir() else source
