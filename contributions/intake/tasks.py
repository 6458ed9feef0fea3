"""Reading the probes of a priority from an evaluation task (`contributions.evaluation_tasks`)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from contributions.evaluation_tasks.moco import TaskItem, read_task
from contributions.intake.findings import Finding, Findings
from contributions.intake.limits import PROBE_LIMITS, Limits
from contributions.intake.recognise import HEAD_BYTES
from contributions.intake.row import Place, usable_text

# JSON Lines may begin with a brace too, but no row of theirs has such a list or type.
_TASK = re.compile(rb'"(?:dev|test)"\s*:\s*\[|"task_type"\s*:')


@dataclass(frozen=True)
class TaskProbes:
    """The usable items of a task, the first of those with the same prompt, and its type."""

    task_type: str
    items: tuple[TaskItem, ...]


def is_task(path: Path) -> bool:
    """Whether a file is meant as an evaluation task, by how it begins."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head.startswith(b"{") and _TASK.search(head) is not None


def read_task_probes(path: Path, limits: Limits = PROBE_LIMITS) -> tuple[TaskProbes, list[Finding]]:
    """The probes of a task, and the findings: what is wrong in which item of which list, and why.

    A caller that wants all or nothing looks for findings with severity "error".
    """
    findings = Findings()
    text = _text(path, findings, limits)
    task = read_task(text) if text is not None else None
    if task is None:
        return TaskProbes("", ()), findings.listed()
    for fault in task.faults:
        findings.add(
            "error",
            fault.problem,
            expected=fault.expected,
            remedy=fault.remedy,
            row=fault.number,
            column=f"{fault.split} {fault.key}".strip() or None,
        )
    if not task.items and not task.faults:
        findings.add(
            "error",
            "There are no probes in the task.",
            expected='items in "dev", "test" or both',
            remedy="Add an item with a prompt and its answer.",
        )
    if len(task.items) > limits.max_rows:
        findings.add(
            "error",
            f"There are too many items: {len(task.items):,}.",
            expected=f"at most {limits.max_rows:,}",
            remedy="Keep the ones that show best whether the need is met.",
        )
    items = _distinct(task.items[: limits.max_rows], findings, limits)
    return TaskProbes(task.task_type, items), findings.listed()


def _text(path: Path, findings: Findings, limits: Limits) -> str | None:
    if path.stat().st_size > limits.max_bytes:
        findings.add(
            "error",
            "The file is too large.",
            expected=f"at most {limits.max_bytes / 2**20:,.0f} MiB",
            remedy="Keep the items that show best whether the need is met.",
        )
        return None
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        findings.add(
            "error",
            f"The file is not a text in UTF-8: byte {error.start + 1:,} is none.",
            expected="JSON in UTF-8",
            remedy="Save it in UTF-8.",
        )
        return None


def _distinct(
    items: Iterable[TaskItem], findings: Findings, limits: Limits
) -> tuple[TaskItem, ...]:
    first: dict[str, TaskItem] = {}
    for item in items:
        place = Place(item.number, item.number)
        usable = [
            usable_text(text, f"{item.split} {key}", place, findings)
            for key, texts in (("prompt", [item.prompt]), ("answer", item.answers))
            for text in texts
        ]
        length = len(item.prompt) + sum(map(len, item.answers))
        if length > limits.max_chars:
            findings.add(
                "error",
                f"The item is too long: {length:,} characters.",
                expected=f"at most {limits.max_chars:,} characters in prompt and answers together",
                remedy="Shorten it or leave it out.",
                row=item.number,
                column=item.split,
            )
        if not all(usable) or length > limits.max_chars:
            continue
        # As probes are told apart when they are declared.
        earlier = first.setdefault(item.prompt.casefold().strip(), item)
        if earlier is not item:
            findings.add(
                "warning",
                f"The prompt is the same as in {earlier.split} {earlier.number}.",
                expected="each prompt once",
                remedy="Nothing to do: the first is kept.",
                row=item.number,
                column=item.split,
            )
    return tuple(first.values())
