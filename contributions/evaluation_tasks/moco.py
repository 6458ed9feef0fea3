"""Reading an evaluation task in the JSON format of the MoCo toolkit.

    {"dataset" or "name": text, "task_type": text, "dev": [item, ...], "test": [item, ...]}

An item of `multiple_choice` is `{"question", "choices": {letter: text, ...}, "answer": letter}`;
one of `exact_match` and `f1_match` is `{"input", "output"}`, where `output` may be a list of texts
of which any is right. Other keys are left alone.
"""

import json
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

EXACT_MATCH, F1_MATCH, MULTIPLE_CHOICE = "exact_match", "f1_match", "multiple_choice"
TASK_TYPES = (EXACT_MATCH, F1_MATCH, MULTIPLE_CHOICE)
SPLITS = ("dev", "test")


@dataclass(frozen=True)
class TaskItem:
    """The item at place `number` (from 1) of `split`. Any of `answers` is right."""

    split: str
    number: int
    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Fault:
    """What is wrong: with the file, with one item of it, or with a key of that item."""

    problem: str
    expected: str
    remedy: str
    split: str = ""
    number: int | None = None
    key: str = ""

    @property
    def place(self) -> str:
        """Within the file, "" for all of it."""
        return f"{self.split} row {self.number}" if self.number else ""


@dataclass(frozen=True)
class Task:
    """A task, or what could be read of it. Without `faults` it is whole."""

    name: str
    task_type: str
    items: tuple[TaskItem, ...]
    faults: tuple[Fault, ...]


class _Wrong(Exception):
    """One item cannot be used."""

    def __init__(self, key: str, problem: str, expected: str, remedy: str) -> None:
        super().__init__(problem)
        self.key, self.problem, self.expected, self.remedy = key, problem, expected, remedy


def with_choices(question: str, choices: Mapping[str, str]) -> str:
    """The prompt of a multiple choice: the question, then a line for each, "A. its text"."""
    return "\n".join([question, *(f"{letter}. {text}" for letter, text in choices.items())])


def read_task(text: str) -> Task:
    """The task in a file's text, with every fault that it has."""
    try:
        task = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        return _unread(f"This is not JSON: {str(error).rstrip('.')}.", "Correct it there.")
    if not isinstance(task, dict):
        return _unread("This is not a JSON object.", "Put the whole task into braces.")
    name, kind = task.get("dataset") or task.get("name") or "", task.get("task_type")
    if kind not in TASK_TYPES:
        return _unread(
            f'"task_type" is {reprlib.repr(kind)}, none of {", ".join(TASK_TYPES)}.',
            "Name one of these. What needs a judge or runs code cannot be scored here.",
        )
    if not isinstance(name, str):
        return _unread('"dataset" is not a text.', "Put the name into quotation marks.")
    for split in SPLITS:
        if not isinstance(task.get(split, []), list):
            return _unread(f'"{split}" is not a list.', "Put its items into square brackets.")
    items: list[TaskItem] = []
    faults: list[Fault] = []
    for split in SPLITS:
        for number, row in enumerate(task.get(split, []), start=1):
            try:
                items.append(TaskItem(split, number, *_item(row, kind)))
            except _Wrong as wrong:
                faults.append(
                    Fault(wrong.problem, wrong.expected, wrong.remedy, split, number, wrong.key)
                )
    return Task(name, kind, tuple(items), tuple(faults))


def _unread(problem: str, remedy: str) -> Task:
    expected = '{"name": …, "task_type": …, "dev": […], "test": […]}'
    return Task("", "", (), (Fault(problem, expected, remedy),))


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a key stand twice; which one is meant nobody knows."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {reprlib.repr(twice)} stands twice in one object")
    return found


def _item(row: Any, kind: str) -> tuple[str, tuple[str, ...]]:
    if not isinstance(row, dict):
        raise _Wrong("", "The item is not a JSON object.", "an object", "Put it into braces.")
    if kind == MULTIPLE_CHOICE:
        return _choice(row)
    return _text(row, "input"), _outputs(row, kind)


def _choice(row: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The prompt; the right letter and the right text, unless that would be read as a letter."""
    question, choices, answer = _text(row, "question"), row.get("choices"), row.get("answer")
    if not isinstance(choices, dict) or not choices:
        raise _Wrong(
            "choices",
            '"choices" is not an object of letters and texts.',
            '{"A": text, "B": text}',
            "Give each choice a letter.",
        )
    for letter in choices:
        if len(letter) != 1 or not "A" <= letter <= "Z":
            raise _Wrong(
                "choices",
                f"The choice {reprlib.repr(letter)} has no letter.",
                "A to Z",
                "Rename its key.",
            )
        _text(choices, letter)
    if not isinstance(answer, str) or answer not in choices:
        raise _Wrong(
            "answer",
            f'"answer" is {reprlib.repr(answer)}, none of {", ".join(choices)}.',
            "the letter of a choice",
            "Name the letter of the right choice.",
        )
    if len(choices) == 1:
        raise _Wrong("choices", "There is one choice only.", "two or more", "Add another one.")
    answers = (answer, choices[answer]) if len(choices[answer]) > 1 else (answer,)
    return with_choices(question, choices), answers


def _outputs(row: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    """The right answers. Tasks by F1 may have their list as JSON within the text."""
    output = row.get("output")
    if kind == F1_MATCH and isinstance(output, str) and output.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # else a text that begins with a bracket
            output = json.loads(output)
        if not _are_texts(output):
            output = row["output"]
    if isinstance(output, list):
        if not _are_texts(output):
            raise _Wrong(
                "output",
                '"output" is no list of texts.',
                "a text, or a list of texts",
                "Put each right answer into quotation marks.",
            )
        return tuple(dict.fromkeys(output))
    return (_text(row, "output"),)


def _are_texts(value: Any) -> bool:
    """Whether it is a list of texts, none of them empty."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, str) and one.strip() for one in value)
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(
            key,
            f'"{key}" is missing, or no text.',
            "a text that is not empty",
            f'Give the item a "{key}", in quotation marks.',
        )
    return value
