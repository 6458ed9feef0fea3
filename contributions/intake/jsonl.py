"""Rows from JSON Lines: prompt and completion, or chat messages."""

import json
from collections.abc import Iterator
from typing import Any

from contributions.intake.columns import EXPECTED, Columns, choose_columns
from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.lines import Lines
from contributions.intake.report import Shape
from contributions.intake.row import Place, Row, short_enough, usable_text

ROLES = ("system", "developer", "user", "assistant", "tool")
_MESSAGES = 'a list of {"role": ..., "content": ...} objects that has an answer of the assistant'
_KINDS = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number",
          float: "a number", type(None): "null"}  # fmt: skip


class JsonLines:
    """A JSON Lines file; the first usable object decides which keys are read."""

    def __init__(self, lines: Lines, findings: Findings, limits: Limits) -> None:
        self._lines = lines
        self._findings = findings
        self._limits = limits
        self.chosen: Columns | None = None
        self.shape: Shape = "unknown"
        self.names: list[str] = []
        self.rows_read = 0

    def __iter__(self) -> Iterator[Row]:
        for line in self._lines:
            if not line.text.strip() and not line.fault:
                continue
            self.rows_read += 1
            place = Place(self.rows_read, line.number)
            if line.fault:
                fault = line.fault
                self._error(place, fault.problem, expected=fault.expected, remedy=fault.remedy)
                continue
            record = self._parse(line.text, place)
            if record is None or not self._fits(record, place):
                continue
            row = self._chat(record, place) if self.shape == "chat" else self._pair(record, place)
            if row and short_enough(
                row.prompt, row.completion, place, self._findings, self._limits
            ):
                yield row

    def _error(
        self, place: Place, problem: str, *, expected: str, remedy: str, column: str | None = None
    ) -> None:
        self._findings.add(
            "error", problem, expected=expected, remedy=remedy,
            row=place.row, line=place.line, column=column,
        )  # fmt: skip

    def _parse(self, text: str, place: Place) -> dict[str, Any] | None:
        expected = "one JSON object on each line"
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            problem = f"The line is not valid JSON: {error.msg} at character {error.colno}."
        except RecursionError:
            problem = "The line is not usable JSON: it is nested too deeply."
        except ValueError:
            problem = "The line is not usable JSON: it holds a number with too many digits."
        else:
            if isinstance(record, dict):
                return record
            problem = f"The line is {_kind(record)}, not an object."
        self._error(
            place, problem, expected=expected,
            remedy='Write the row as {"prompt": "...", "completion": "..."}.',
        )  # fmt: skip
        return None

    def _fits(self, record: dict[str, Any], place: Place) -> bool:
        """Decide on the keys if that is still open, and whether this object has them."""
        if self.shape == "unknown":
            if "messages" in record:
                self.shape = "chat"
                self.names = list(record)
            elif chosen := choose_columns(list(record)):
                self.chosen, self.shape, self.names = chosen, chosen.shape, list(record)
        keys = ", ".join(repr(key) for key in list(record)[: self._limits.max_columns])
        if self.shape == "unknown":
            self._error(
                place,
                f"The prompt and the answer were not found. The object has the keys {keys or '-'}.",
                expected=f"'messages', or {EXPECTED}",
                remedy='Write the row as {"prompt": "...", "completion": "..."}.',
            )
            return False
        # The second prompt column of instruction data may be left out.
        needed = ("messages",) if self.chosen is None else (
            self.chosen.prompt[0], self.chosen.completion)  # fmt: skip
        for key in needed:
            if key not in record:
                self._error(
                    place,
                    f"The key {key!r} is missing. The object has the keys {keys or '-'}.",
                    expected=f"the same keys in every row: {', '.join(needed)}",
                    remedy="Add it or delete the row.",
                    column=key,
                )
                return False
        return True

    def _text(self, value: object, column: str, place: Place) -> str | None:
        if isinstance(value, str):
            return value.strip()
        self._error(
            place,
            f"The value of {column!r} is {_kind(value)}.",
            expected="text",
            remedy="Write it as text in double quotes.",
            column=column,
        )
        return None

    def _pair(self, record: dict[str, Any], place: Place) -> Row | None:
        assert self.chosen is not None  # decided in _fits
        values: dict[str, str] = {}
        for name in self.chosen.used:
            second = name in self.chosen.prompt[1:]
            value = self._text(record.get(name, "") if second else record[name], name, place)
            if value is not None and usable_text(
                value, name, place, self._findings, optional=second
            ):
                values[name] = value
        if len(values) < len(self.chosen.used):
            return None
        prompt = "\n\n".join(values[name] for name in self.chosen.prompt if values[name])
        return Row(place.row, place.line, prompt, values[self.chosen.completion], question=prompt)

    def _chat(self, record: dict[str, Any], place: Place) -> Row | None:
        """The last answer of the assistant is the completion; what precedes it is the prompt."""
        messages = self._messages(record["messages"], place)
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
                column="messages",
            )
            return None
        single = len(before) == 1
        prompt = questions[0] if single else "\n".join(f"{role}: {text}" for role, text in before)
        return Row(place.row, place.line, prompt, messages[answers[-1]][1], questions[-1])

    def _messages(self, value: object, place: Place) -> list[tuple[str, str]] | None:
        if not isinstance(value, list):
            self._error(
                place, f"The value of 'messages' is {_kind(value)}.",
                expected=_MESSAGES, remedy="Write the messages as a list.", column="messages",
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
                    column="messages",
                )
                return None
            content = self._text(message["content"], "messages", place)
            if content is None or not usable_text(content, "messages", place, self._findings):
                return None
            messages.append((role, content))
        return messages


def _kind(value: object) -> str:
    return _KINDS[type(value)]
