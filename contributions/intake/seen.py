"""Recognising rows that were there before, and rows that are probes."""

import hashlib
import unicodedata
from collections.abc import Iterable

from contributions.intake.findings import Findings
from contributions.intake.row import Row


def _digest(*texts: str) -> int:
    """64 bits: half a million rows collide with a probability below 1e-8."""
    joined = "\x00".join(texts).encode()
    return int.from_bytes(hashlib.blake2b(joined, digest_size=8).digest(), "big")


def _question_digest(question: str) -> int:
    """Equal for questions that differ only in letter case, spacing or Unicode form."""
    return _digest(" ".join(unicodedata.normalize("NFKC", question).casefold().split()))


class Seen:
    """Remembers rows by digest: about 200 bytes a row, however long the rows are."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._row_of_pair: dict[int, int] = {}
        self._row_of_prompt: dict[int, int] = {}
        self.duplicates = 0
        self.conflicts = 0

    def is_duplicate(self, row: Row) -> bool:
        """Whether the same row was seen before; a prompt with a new completion is only noted."""
        pair, prompt = _digest(row.prompt, row.completion), _digest(row.prompt)
        if pair in self._row_of_pair:
            self.duplicates += 1
            self._findings.add(
                "warning",
                f"The row is the same as row {self._row_of_pair[pair]}.",
                expected="each example once",
                remedy="Nothing to do: it is left out.",
                row=row.number,
                line=row.line,
            )
            return True
        self._row_of_pair[pair] = row.number
        first = self._row_of_prompt.setdefault(prompt, row.number)
        if first != row.number:
            self.conflicts += 1
            self._findings.add(
                "warning",
                f"The prompt is the same as in row {first}, the answer is another.",
                expected="one answer to a prompt",
                remedy="Keep the right one, unless both are right.",
                row=row.number,
                line=row.line,
            )
        return False


class Probes:
    """Rows that ask what a probe asks: they would give the answers of the examination away."""

    def __init__(self, known: Iterable[tuple[str, str]]) -> None:
        self._questions = {_question_digest(prompt) for prompt, _ in known}
        self.count = 0

    def ask(self, prompt: str) -> bool:
        """Whether a probe asks this, up to case, spacing and Unicode form."""
        return bool(self._questions) and _question_digest(prompt) in self._questions

    def includes(self, row: Row) -> bool:
        known = self.ask(row.question) or self.ask(row.prompt)
        self.count += known
        return known

    def report(self, findings: Findings) -> None:
        """One warning for all of them."""
        if not self.count:
            return
        findings.add(
            "warning",
            f"{self.count:,} row{'s' if self.count > 1 else ''} of this file "
            f"{'are' if self.count > 1 else 'is'} among the probes of a priority.",
            expected="no example that is also a probe",
            remedy="Nothing to do: they are left out, so that the evaluation stays honest.",
        )
