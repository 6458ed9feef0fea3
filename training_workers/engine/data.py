"""Examples: what an expert learns from, and how a prompt and its completion become tokens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEPARATOR = "\n"
"""Stands between a prompt and its completion, for every base and every expert alike."""


@dataclass(frozen=True)
class Example:
    """A prompt and the completion that an expert should answer with."""

    prompt: str
    completion: str


@dataclass(frozen=True)
class Encoded:
    """Token ids of one example; the loss counts the last `answer_length` of them."""

    ids: list[int]
    answer_length: int


def read_examples(path: Path) -> list[Example]:
    """Read JSON Lines of `{"prompt": ..., "completion": ...}`.

    Raises ValueError with the line number if a line is something else.
    """
    examples = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                prompt, completion = row["prompt"], row["completion"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(
                    f'Line {number} is not a JSON object with "prompt" and "completion".'
                ) from error
            if not isinstance(prompt, str) or not isinstance(completion, str):
                raise ValueError(f"Line {number}: prompt and completion must be text.")
            examples.append(Example(prompt, completion))
    return examples


def encode_prompt(tokenizer: Any, prompt: str, room: int) -> list[int]:
    """Token ids of a prompt and the separator, the oldest cut off to fit `room` tokens."""
    ids: list[int] = tokenizer(prompt.strip() + SEPARATOR)["input_ids"]
    # Some tokenizers close every text with the end token, which would end the answer before it.
    if ids and ids[-1] == tokenizer.eos_token_id:
        ids = ids[:-1]
    return ids[max(0, len(ids) - room) :]


def encode_example(tokenizer: Any, example: Example, context_length: int) -> Encoded:
    """Token ids of prompt, completion and end token, at most `context_length` of them.

    The prompt and the completion are tokenized apart, so that training and generation see the
    same boundary. A completion may take half of the context; a prompt gives way to it.
    """
    answer = tokenizer(example.completion.strip(), add_special_tokens=False)["input_ids"]
    answer = [*answer[: context_length // 2], tokenizer.eos_token_id]
    prompt = encode_prompt(tokenizer, example.prompt, context_length - len(answer))
    return Encoded(prompt + answer, len(answer))


def encode_examples(
    tokenizer: Any, examples: Sequence[Example], context_length: int
) -> list[Encoded]:
    """`encode_example` for each of `examples`."""
    return [encode_example(tokenizer, example, context_length) for example in examples]
