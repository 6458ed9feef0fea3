"""One example as it is trained on, and the checks that hold for every format."""

import re
from dataclasses import dataclass

from contributions.intake.findings import Findings
from contributions.intake.limits import Limits
from contributions.intake.lines import BROKEN_TEXT, NUL

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Row:
    """`question` is what a probe is compared with: the prompt, or a chat's last user message."""

    number: int
    line: int
    prompt: str
    completion: str
    question: str


@dataclass(frozen=True)
class Place:
    """Where a row stands in its file."""

    row: int
    line: int


def usable_text(
    text: str, column: str, place: Place, findings: Findings, *, optional: bool = False
) -> bool:
    """Whether a cell can be used; says why not."""
    if not text and not optional:
        findings.add(
            "error",
            f"The cell {column!r} is empty.",
            expected="text in every prompt and every answer",
            remedy="Fill it in or delete the row.",
            row=place.row,
            line=place.line,
            column=column,
        )
        return False
    # JSON can escape both (\u0000, \ud800), so a faultless line can still hold them.
    fault = NUL if "\x00" in text else BROKEN_TEXT if _SURROGATE.search(text) else None
    if fault:
        findings.add(
            "error",
            fault.problem,
            expected=fault.expected,
            remedy=fault.remedy,
            row=place.row,
            line=place.line,
            column=column,
        )
    return fault is None


def short_enough(
    prompt: str, completion: str, place: Place, findings: Findings, limits: Limits
) -> bool:
    """Whether prompt and completion together keep to `limits.max_chars`; says so if not."""
    length = len(prompt) + len(completion)
    if length > limits.max_chars:
        findings.add(
            "error",
            f"The row is too long: {length:,} characters.",
            expected=f"at most {limits.max_chars:,} characters in prompt and answer together",
            remedy="Shorten the row or cut it into several.",
            row=place.row,
            line=place.line,
        )
    return length <= limits.max_chars
