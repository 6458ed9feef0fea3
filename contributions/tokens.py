"""Counting a file's tokens as the community's base will see them, without torch or network."""

from collections.abc import Callable
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from tokenizers import Tokenizer

from contributions.models import Base

CountTokens = Callable[[list[str]], list[int]]


def tokenizer_file(base: Base) -> Path | None:
    """The base's tokenizer.json: in its folder, or where this machine keeps what the Hub gave.

    None where there is none, as with a base that no worker of this machine has loaded yet.
    """
    in_folder = Path(base.source) / "tokenizer.json"
    if in_folder.is_file():
        return in_folder
    try:
        cached = try_to_load_from_cache(
            base.source, "tokenizer.json", revision=base.revision or None
        )
    except HFValidationError:  # a folder that is not there, and no name of the Hub's
        return None
    return Path(cached) if isinstance(cached, str) else None


def token_counter(base: Base) -> CountTokens | None:
    """Gives the number of tokens of each of a list of texts; None where the base has no file."""
    path = tokenizer_file(base)
    if path is None:
        return None
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: list[str]) -> list[int]:
        found = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [len(encoding) for encoding in found]

    return count
