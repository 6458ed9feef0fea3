"""From the cells of a row, whatever the format, to a prompt and a completion."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.mapping import ColumnMapping
from contributions.intake.row import Place, Row, short_enough, usable_text

Record = Mapping[str, object]

ROLES = ("system", "developer", "user", "assistant", "tool")
_MESSAGES = 'a list of {"role": ..., "content": ...} objects that has an answer of the assistant'
_CHOICES = 'a list of at least two texts, or {"A": "...", "B": "..."}'
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number",
          float: "a number", type(None): "null"}  # fmt: skip


def conversation(turns: Sequence[tuple[str, str]]) -> str:
    """The prompt of a conversation, (role, text) by turns: experts learn to answer this text.

    A single message is its own text; several have a line each, with the role before it.
    """
    if len(turns) == 1:
        return turns[0][1]
    return "\n".join(f"{role}: {text}" for role, text in turns)


def kind(value: object) -> str:
    """What a value is, as a person would say it."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")


class Shaper:
    """Makes rows of records by a mapping, and says where that cannot be done."""

    def __init__(self, mapping: ColumnMapping, findings: Findings, limits: Limits) -> None:
        self.mapping = mapping
        self._findings = findings
        self._limits = limits
        makers: dict[str, Callable[[Record, Place], Row | None]] = {
            "chat": self._chat,
            "multiple_choice": self._multiple_choice,
        }
        self._make = makers.get(mapping.shape, self._pair)

    def row(self, record: Record, place: Place) -> Row | None:
        """The row of one record; None, with a finding, if it cannot be used."""
        row = self._make(record, place) if self._complete(record, place) else None
        if row and short_enough(row.prompt, row.completion, place, self._findings, self._limits):
            return row
        return None

    def _error(
        self, place: Place, problem: str, *, expected: str, remedy: str, column: str | None = None
    ) -> None:
        self._findings.add(
            "error", problem, expected=expected, remedy=remedy,
            row=place.row, line=place.line, column=column,
        )  # fmt: skip

    def _complete(self, record: Record, place: Place) -> bool:
        needed = self.mapping.needed
        missing = next((name for name in needed if name not in record), None)
        if missing is None:
            return True
        keys = ", ".join(repr(key) for key in list(record)[: self._limits.max_columns])
        self._error(
            place,
            f"The key {missing!r} is missing. The object has the keys {keys or '-'}.",
            expected=f"the same keys in every row: {', '.join(needed)}",
            remedy="Add it or delete the row.",
            column=missing,
        )
        return False

    def _text(self, value: object, column: str, place: Place) -> str | None:
        """A cell as text. Whole numbers and true or false are labels often enough."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, int):
            return str(value)
        what = kind(value)
        if isinstance(value, float) and not math.isfinite(value):
            what = "not a number (NaN or infinite)"
        self._error(
            place,
            f"The value of {column!r} is {what}.",
            expected="text",
            remedy="Write it as text in double quotes.",
            column=column,
        )
        return None

    def _texts(self, record: Record, place: Place) -> dict[str, str] | None:
        """The prompt columns and the completion, all usable."""
        mapping = self.mapping
        values: dict[str, str] = {}
        names = (*mapping.prompt, mapping.completion)
        for name in names:
            second = name in mapping.prompt[1:]
            found = record.get(name)
            value = self._text("" if second and found is None else found, name, place)
            if value is not None and usable_text(
                value, name, place, self._findings, optional=second
            ):
                values[name] = value
        return values if len(values) == len(names) else None

    def _pair(self, record: Record, place: Place) -> Row | None:
        values = self._texts(record, place)
        if values is None:
            return None
        prompt = "\n\n".join(values[name] for name in self.mapping.prompt if values[name])
        return Row(place.row, place.line, prompt, values[self.mapping.completion], question=prompt)

    def _multiple_choice(self, record: Record, place: Place) -> Row | None:
        """The question, each choice on a line with its letter; the completion is the right letter.

        This is how evaluation tasks ask, too.
        """
        values = self._texts(record, place)
        choices = self._choices(record, place)
        if values is None or choices is None:
            return None
        question = "\n\n".join(values[name] for name in self.mapping.prompt if values[name])
        answer = values[self.mapping.completion]
        letter = _right_letter(answer, choices)
        if letter is None:
            self._error(
                place,
                f"The answer {answer[:80]!r} is none of the {len(choices)} choices.",
                expected="the letter, the text or the place (from 0) of the right choice",
                remedy="Correct the answer or delete the row.",
                column=self.mapping.completion,
            )
            return None
        asked = [question, *(f"{ascii_uppercase[at]}. {text}" for at, (_, text) in choices)]
        return Row(place.row, place.line, "\n".join(asked), letter, question)

    def _choices(self, record: Record, place: Place) -> "Choices | None":
        """The choices that are there, each with its label, numbered from 0."""
        names = self.mapping.choices
        found = record[names[0]] if len(names) == 1 else [record[name] for name in names]
        if isinstance(found, str) and found.lstrip().startswith(("[", "{")):
            try:  # a list in a cell of a table
                found = json.loads(found)
            except ValueError:
                found = None
        labels: Any = list(ascii_uppercase)
        if isinstance(found, dict) and isinstance(found.get("text"), list):
            labels, found = found.get("label") or labels, found["text"]
        elif isinstance(found, dict):
            labels, found = list(found), list(found.values())
        if len(names) > 1 and isinstance(found, list):  # an unused column is left empty
            found = [value for value in found if value not in (None, "")]
        texts = found if isinstance(found, list) else []
        usable = isinstance(labels, list) and 2 <= len(texts) <= min(len(labels), 26)
        if not usable or not all(isinstance(text, str | int) and str(text) for text in texts):
            self._error(
                place,
                f"The choices are {kind(found)} that cannot be used.",
                expected=_CHOICES,
                remedy="Write the choices as a list of texts.",
                column=names[0],
            )
            return None
        stripped = [str(text).strip() for text in texts]
        if not all(usable_text(text, names[0], place, self._findings) for text in stripped):
            return None
        return list(enumerate(zip(map(str, labels), stripped, strict=False)))

    def _chat(self, record: Record, place: Place) -> Row | None:
        """The last answer of the assistant is the completion; what precedes it is the prompt."""
        messages = self._messages(record[self.mapping.prompt[0]], place)
        if messages is None:
            return None
        answers = [at for at, (role, _) in enumerate(messages) if role == "assistant"]
        before = messages[: answers[-1]] if answers else []
        questions = [content for role, content in before if role == "user"]
        if not questions:
            self._error(
                place,
                "There is no answer of the assistant to a message of the user.",
                expected=_MESSAGES,
                remedy="Add the missing message or delete the row.",
                column=self.mapping.prompt[0],
            )
            return None
        prompt = conversation(before)
        return Row(place.row, place.line, prompt, messages[answers[-1]][1], questions[-1])

    def _messages(self, value: object, place: Place) -> list[tuple[str, str]] | None:
        column = self.mapping.prompt[0]
        if not isinstance(value, list):
            self._error(
                place, f"The value of {column!r} is {kind(value)}.",
                expected=_MESSAGES, remedy="Write the messages as a list.", column=column,
            )  # fmt: skip
            return None
        messages: list[tuple[str, str]] = []
        for number, message in enumerate(value, start=1):
            role = message.get("role") if isinstance(message, dict) else None
            if not isinstance(message, dict) or role not in ROLES or "content" not in message:
                self._error(
                    place,
                    f"Message {number} is not an object with a known role and a content.",
                    expected=f"role: one of {', '.join(ROLES)}; content: text",
                    remedy="Correct the message or delete the row.",
                    column=column,
                )
                return None
            content = self._text(message["content"], column, place)
            if content is None or not usable_text(content, column, place, self._findings):
                return None
            messages.append((role, content))
        return messages


Choices = list[tuple[int, tuple[str, str]]]


def _right_letter(answer: str, choices: Choices) -> str | None:
    """The letter of the choice that an answer names: by its label, its text or its place."""
    for wanted in (
        lambda at, label, text: label.casefold() == answer.casefold(),
        lambda at, label, text: text == answer,
        lambda at, label, text: str(at) == answer,
    ):
        for at, (label, text) in choices:
            if wanted(at, label, text):
                return ascii_uppercase[at]
    return None
