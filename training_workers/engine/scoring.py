"""Items to be answered, and whether an answer is right."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

F1_ENOUGH = 0.5
"""An `f1_match` answer is right from this F1 on: paired tests need right or wrong."""


def normalised(text: str) -> str:
    """Unicode NFKC, case folded, single spaces, no marks or spaces at the end."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s.!?,;:]+$", "", " ".join(folded.split()))


def exact_match(answer: str, reference: str) -> bool:
    """Whether two texts agree up to case, white space and final punctuation."""
    return normalised(answer) == normalised(reference)


def f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over words, as a bag (Rajpurkar et al. 2016)."""
    said, meant = normalised(answer).split(), normalised(reference).split()
    common = sum((Counter(said) & Counter(meant)).values())
    return 2 * common / (len(said) + len(meant)) if common else 0.0


def f1_match(answer: str, reference: str) -> bool:
    """Whether the F1 over words reaches `F1_ENOUGH`."""
    return f1(answer, reference) >= F1_ENOUGH


def multiple_choice(answer: str, reference: str) -> bool:
    """Whether an answer names the letter of the right choice: "B", "b)", "(B) because ..."."""
    found = re.match(r"\W*([A-Za-z])(?![A-Za-z])", answer)
    return found is not None and found[1].casefold() == reference.strip().casefold()


SCORERS: dict[str, Callable[[str, str], bool]] = {
    "exact_match": exact_match,
    "f1_match": f1_match,
    "multiple_choice": multiple_choice,
}


@dataclass(frozen=True)
class Item:
    """A held-out example. An answer is right if it agrees with any of `references`.

    `group` names the priority or task it stands for; `scorer` is a key of SCORERS.
    """

    prompt: str
    references: tuple[str, ...]
    group: str
    scorer: str = "exact_match"

    def is_right(self, answer: str) -> bool:
        return any(SCORERS[self.scorer](answer, reference) for reference in self.references)


def marked(items: Sequence[Item], answers: Sequence[str]) -> list[bool]:
    """Which of the answers, one an item, are right."""
    return [item.is_right(answer) for item, answer in zip(items, answers, strict=True)]
