"""Which columns of a file hold the prompt, the choices and the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, get_args

from contributions.intake.report import Shape

# In order of preference.
PROMPTS = ("prompt", "question", "instruction", "input", "text", "utterance", "sentence", "query",
           "message", "user")  # fmt: skip
LABELS = ("label", "intent", "category", "class")
COMPLETIONS = ("completion", "answer", "output", "response", "target", "assistant")
CHATS = ("messages",)
CHOICES = ("choices", "options")
ANSWERS = ("answer", "answerkey", "answer_key", "answer_index", "correct", "label", "target")
TEXTS = ("text", "content", "document", "passage")
_ONE_CHOICE = re.compile(r"(?:choice|option|answer)?[ _]?([a-h]|[1-8])")

EXPECTED = (
    f"one column for the prompt ({', '.join(PROMPTS)}) and one for the answer "
    f"({', '.join(LABELS + COMPLETIONS)})"
)


@dataclass(frozen=True)
class ColumnMapping:
    """What the columns of a file are.

    More than one prompt column are joined by a blank line, and all but the first may be empty.
    A chat has the column of its messages as its prompt and no completion; plain text has no prompt.
    `choices` is one column with a list, or a column each.
    """

    shape: Shape
    prompt: tuple[str, ...] = ()
    completion: str = ""
    choices: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        return (*self.prompt, *self.choices, *([self.completion] if self.completion else []))

    @property
    def needed(self) -> tuple[str, ...]:
        """The columns that no row can do without."""
        return tuple(name for name in self.used if name not in self.prompt[1:])

    def to_dict(self) -> dict[str, Any]:
        return {
            "shape": self.shape,
            "prompt": list(self.prompt),
            "completion": self.completion,
            "choices": list(self.choices),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Raises ValueError, with a sentence for a person, for what is not a mapping."""
        shape: Any = data.get("shape")
        completion = data.get("completion") or ""
        prompt, choices = _names(data.get("prompt")), _names(data.get("choices"))
        if shape not in get_args(Shape) or shape == "unknown" or not isinstance(completion, str):
            raise ValueError("The mapping has no known shape.")
        if shape != "plain_text" and not prompt:
            raise ValueError("The mapping names no column for the prompt.")
        if shape != "chat" and not completion:
            raise ValueError("The mapping names no column for the answer.")
        if shape == "multiple_choice" and not choices:
            raise ValueError("The mapping names no column for the choices.")
        made = cls(
            shape,
            prompt if shape != "plain_text" else (),
            completion if shape != "chat" else "",
            choices if shape == "multiple_choice" else (),
        )
        if len(set(made.used)) < len(made.used):
            raise ValueError("The mapping uses a column twice.")
        return made


def choose_mapping(names: Sequence[str]) -> ColumnMapping | None:
    """What columns of these names are, None if that is not obvious.

    Instruction data keeps its two prompt columns, `instruction` and `input`, because the second
    continues the first.
    """
    by_meaning = {name.strip().casefold(): name for name in names}

    def first(words: Sequence[str]) -> str | None:
        return next((by_meaning[word] for word in words if word in by_meaning), None)

    if chat := first(CHATS):
        return ColumnMapping("chat", (chat,))
    prompt, answer = first(PROMPTS), first(ANSWERS)
    choices = first(CHOICES)
    if prompt and choices and answer and answer != prompt:
        return ColumnMapping("multiple_choice", (prompt,), answer, (choices,))
    single = [name for word, name in by_meaning.items() if _ONE_CHOICE.fullmatch(word)]
    if prompt and answer and len(single) > 1:
        return ColumnMapping("multiple_choice", (prompt,), answer, tuple(single))
    completion, label = first(COMPLETIONS), first(LABELS)
    if not prompt or not (completion or label):
        alone = first(TEXTS)
        return ColumnMapping("plain_text", (), alone) if alone and len(names) == 1 else None
    prompts: tuple[str, ...] = (prompt,)
    if prompt.strip().casefold() == "instruction" and "input" in by_meaning:
        prompts = (prompt, by_meaning["input"])
    if completion:
        return ColumnMapping("prompt_completion", prompts, completion)
    return ColumnMapping("text_label", prompts, label or "")


def _names(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) and value else value or []
    if not isinstance(found, list | tuple) or not all(isinstance(name, str) for name in found):
        raise ValueError("The mapping does not name its columns by text.")
    return tuple(found)
