"""A yes/no question: a quorum of votes, and more than a threshold of those who say yes or no."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from governance.tally.election import FORMAT

ANSWERS = ("yes", "no", "abstain")


@dataclass(frozen=True)
class Question:
    """What is asked and answered. It passes if at least `quorum` ballots were cast, abstentions
    included, and yes/(yes + no) > threshold. Raises ValueError for what makes no sense.
    """

    ballots: tuple[str, ...]
    threshold: Fraction
    quorum: int
    seed: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"the threshold must lie between 0 and 1, not at {self.threshold}")
        if type(self.quorum) is not int or self.quorum < 0:
            raise ValueError(f"the quorum must be a whole number from 0, not {self.quorum!r}")
        for number, ballot in enumerate(self.ballots, start=1):
            if ballot not in ANSWERS:
                raise ValueError(f"ballot {number} must be yes, no or abstain, not {ballot!r}")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and canonical: equal questions give equal dictionaries."""
        return {
            "format": FORMAT,
            "rule": "yes-no",
            "seed": self.seed,
            "threshold": f"{self.threshold.numerator}/{self.threshold.denominator}",
            "quorum": self.quorum,
            "ballots": list(self.ballots),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises ValueError, saying why, for anything else."""
        if data.get("format", FORMAT) != FORMAT:
            raise ValueError(f"the format must be {FORMAT!r}, not {data['format']!r}")
        for key in ("ballots", "threshold", "quorum"):
            if key not in data:
                raise ValueError(f"{key!r} is missing")
        if not isinstance(data["ballots"], list):
            raise ValueError(f"'ballots' must be a list, not {data['ballots']!r}")
        if not re.fullmatch(r"[0-9]+/0*[1-9][0-9]*", str(data["threshold"])):
            raise ValueError(f"the threshold must be a fraction p/q, not {data['threshold']!r}")
        return cls(
            ballots=tuple(data["ballots"]),
            threshold=Fraction(data["threshold"]),
            quorum=data["quorum"],
            seed=data.get("seed", ""),
        )


@dataclass(frozen=True)
class Answer:
    """The result: the counts, and whether it passed."""

    yes: int
    no: int
    abstain: int
    threshold: Fraction
    quorum: int

    @property
    def votes(self) -> int:
        return self.yes + self.no + self.abstain

    @property
    def passed(self) -> bool:
        decided = self.yes + self.no
        return self.votes >= self.quorum and self.yes > self.threshold * decided

    @property
    def winner_ids(self) -> tuple[str, ...]:
        return ("yes" if self.passed else "no",)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; fractions are strings 'p/q' (or 'p'); `share` is yes of yes and no."""
        decided = self.yes + self.no
        return {
            "rule": "yes-no",
            "winners": [{"id": name} for name in self.winner_ids],
            "yes": self.yes,
            "no": self.no,
            "abstain": self.abstain,
            "votes": self.votes,
            "share": str(Fraction(self.yes, decided)) if decided else None,
            "threshold": str(self.threshold),
            "quorum": self.quorum,
            "quorum_reached": self.votes >= self.quorum,
        }


def yes_no(question: Question) -> Answer:
    """Count the answers."""
    yes, no, abstain = (question.ballots.count(answer) for answer in ANSWERS)
    return Answer(yes, no, abstain, question.threshold, question.quorum)
