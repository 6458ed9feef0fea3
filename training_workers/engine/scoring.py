"""Items to be answered, and how right an answer is.

Every scorer gives a share from 0 to 1. Means are over these shares; where right or wrong is asked
(McNemar's test, emergence, what a router learns from), an answer is right from `RIGHT_FROM` on.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from contributions.evaluation_tasks.moco import EXACT_MATCH, F1_MATCH, MULTIPLE_CHOICE

RIGHT_FROM = 0.5
"""From this score on an answer counts as right. Only F1 gives anything between 0 and 1."""

_BOXED = "\\boxed{"
_FINAL = re.compile(r"\\boxed\{|\banswer(?:\s+is\b|\s*[:=])[\s:]*", re.IGNORECASE)
_NUMBER = re.compile(r"[$€£]?\s*([+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)")
_LETTER = re.compile(r"\W*([A-Za-z])(?:[).:,\]](?!\w)|\W*$)")
_ARTICLES = frozenset({"a", "an", "the"})
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalised(text: str) -> str:
    """Unicode NFKC, case folded, single spaces, no marks or spaces at the end."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s.!?,;:]+$", "", " ".join(folded.split()))


def final_answer(text: str) -> str:
    r"""What follows the last "answer is" or "answer:" on its line, or stands in \boxed{}.

    The whole text where there is none. So the MoCo toolkit takes an answer out of its reasoning.
    """
    marks = list(_FINAL.finditer(text))
    if not marks:
        return text
    end = "}" if marks[-1][0] == _BOXED else "\n"
    return text[marks[-1].end() :].split(end)[0].strip()


def exact_match(answer: str, reference: str) -> bool:
    """Whether an answer, or the end that it comes to, agrees with the reference.

    Two texts agree up to case, white space and final marks; two numbers by their value, so that
    "$3,450" and "3450.0" do.
    """
    number = _number(reference)
    return any(
        normalised(one) == normalised(reference) or (number is not None and _number(one) == number)
        for one in (answer, final_answer(answer))
    )


def _number(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(normalised(text))
    return Decimal(found[1].replace(",", "")) if found else None


def tokens(text: str) -> list[str]:
    """Words in lower case without punctuation and articles, as SQuAD's own script counts them.

    Rajpurkar et al. 2016, `evaluate-v1.1.py`; after Unicode NFKC.
    """
    words = normalised(text).translate(_PUNCTUATION).split()
    return [word for word in words if word not in _ARTICLES]


def f1(answer: str, reference: str) -> float:
    """Harmonic mean of precision and recall over tokens, as a bag (Rajpurkar et al. 2016).

    Where punctuation and articles are all there is, 1 if both texts are alike.
    """
    said, meant = tokens(answer), tokens(reference)
    if not said or not meant:
        return float(normalised(answer) == normalised(reference))
    common = sum((Counter(said) & Counter(meant)).values())
    return 2 * common / (len(said) + len(meant))


def multiple_choice(answer: str, reference: str) -> bool:
    """Whether an answer names the right choice: by its letter, or by its whole text.

    `reference` is either. "B", "b)", "(B) because ...", "B. Paris" and "the answer is B" name the
    letter; "A dog" and "Because B" do not.
    """
    end = final_answer(answer)
    if len(reference) > 1:
        return normalised(end) == normalised(reference)
    found = _LETTER.match(end)
    return found is not None and found[1].casefold() == reference.casefold()


SCORERS: dict[str, Callable[[str, str], float]] = {
    EXACT_MATCH: exact_match,
    F1_MATCH: f1,
    MULTIPLE_CHOICE: multiple_choice,
}


@dataclass(frozen=True)
class Item:
    """A held-out example. Of several `references` the one counts that an answer is closest to.

    `group` names the priority or task it stands for; `scorer` is a key of SCORERS.
    """

    prompt: str
    references: tuple[str, ...]
    group: str
    scorer: str = EXACT_MATCH

    def score(self, answer: str) -> float:
        """How right an answer is, from 0 to 1."""
        return float(max(SCORERS[self.scorer](answer, one) for one in self.references))

    def is_right(self, answer: str) -> bool:
        return self.score(answer) >= RIGHT_FROM


def scored(items: Sequence[Item], answers: Sequence[str]) -> list[float]:
    """How right the answers, one an item, are."""
    return [item.score(answer) for item, answer in zip(items, answers, strict=True)]


def marked(items: Sequence[Item], answers: Sequence[str]) -> list[bool]:
    """Which of the answers, one an item, are right."""
    return [item.is_right(answer) for item, answer in zip(items, answers, strict=True)]
