"""Reading the probes of a priority: from a file, or as a member typed them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from contributions.intake.findings import Finding, Findings
from contributions.intake.limits import PROBE_LIMITS, Limits
from contributions.intake.mapping import EXPECTED
from contributions.intake.readers import OpenFile, open_rows
from contributions.intake.row import Place, Row, short_enough, usable_text

SEPARATORS = ("=>", "\t", " | ")

ProbesRead = tuple[list[tuple[str, str]], list[Finding]]


def read_probes(path: Path, limits: Limits = PROBE_LIMITS) -> ProbesRead:
    """Read (prompt, answer) pairs from a file of any format that a dataset may have.

    Returns the usable pairs and the findings; a caller that wants all or nothing looks for
    findings with severity "error".
    """
    findings = Findings()
    with open_rows(path, findings, limits) as file:
        pairs = _distinct(_rows(file, findings), findings, limits) if file else []
        if file and not file.reader.rows_read and not findings.count("error"):
            findings.add(
                "error",
                "There are no probes in the file.",
                expected="at least one row after the header",
                remedy="Add a row with a prompt and its answer.",
            )
    return pairs, findings.listed()


def _rows(file: OpenFile, findings: Findings) -> Iterator[Row]:
    if file.unclear or file.shape == "plain_text":
        findings.add(
            "error",
            file.unclear or "The file is plain text: there are no prompts and answers in it.",
            expected=EXPECTED,
            remedy="Name the two columns in the first line of the file, such as 'text,label'.",
        )
        return
    for batch in file.reader.batches():
        columns = (batch.prompt, batch.completion, batch.question)
        for number, line, *texts in zip(
            batch.numbers.tolist(), batch.lines.tolist(),
            *(column.to_pylist() for column in columns), strict=True,
        ):  # fmt: skip
            yield Row(number, line, *texts)


def parse_typed_probes(text: str) -> ProbesRead:
    """Read probes as typed: one a line, `prompt => answer` (or a tab, or ` | `, between them)."""
    findings = Findings()
    pairs = _distinct(_typed_rows(text, findings), findings, PROBE_LIMITS)
    if not text.strip():
        findings.add(
            "error",
            "There are no probes.",
            expected="one probe a line",
            remedy="Write a line such as: how do I reset my card pin => change pin",
        )
    return pairs, findings.listed()


def _typed_rows(text: str, findings: Findings) -> Iterable[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        place = Place(number, number)
        separator = next((mark for mark in SEPARATORS if mark in line), None)
        if separator is None or line.count(separator) > 1:
            findings.add(
                "error",
                "The prompt and the answer cannot be told apart: "
                + ("there is no '=>'." if separator is None else f"two {separator.strip()!r}."),
                expected="prompt => answer",
                remedy="Put exactly one => between the prompt and the answer.",
                row=number,
                line=number,
            )
            continue
        prompt, answer = (part.strip() for part in line.split(separator))
        usable = [
            usable_text(prompt, "prompt", place, findings),
            usable_text(answer, "answer", place, findings),
        ]
        if all(usable) and short_enough(prompt, answer, place, findings, PROBE_LIMITS):
            yield Row(number, number, prompt, answer, question=prompt)


def _distinct(rows: Iterable[Row], findings: Findings, limits: Limits) -> list[tuple[str, str]]:
    """The pairs in their order; of probes with the same prompt only the first is kept."""
    first: dict[str, Row] = {}
    for row in rows:
        if row.number > limits.max_rows:
            findings.add(
                "error",
                "There are too many probes.",
                expected=f"at most {limits.max_rows:,}",
                remedy="Keep the ones that show best whether the need is met.",
            )
            break
        earlier = first.setdefault(row.prompt, row)
        if earlier is row:
            continue
        same = earlier.completion == row.completion
        findings.add(
            "warning",
            f"The prompt is the same as in row {earlier.number}"
            + ("." if same else ", the answer is another."),
            expected="each prompt once, with its one right answer",
            remedy="Nothing to do: the first is kept."
            if same
            else "Only the first is kept; delete the wrong one.",
            row=row.number,
            line=row.line,
        )
    return [(row.prompt, row.completion) for row in first.values()]
