"""What is decided: candidates with costs, approval ballots, a budget."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

FORMAT = "mosaic-election-1"
RULES = ("equal-shares", "greedy", "phragmen")


@dataclass(frozen=True)
class Candidate:
    """An expert on the ballot; `cost` is what it needs of the budget, in bytes."""

    id: str
    cost: int


@dataclass(frozen=True)
class Election:
    """An approval election. Candidates are kept sorted by id: their order carries no meaning.

    `seed` decides the lots. `floor` asks of an expert approvals/voters >= cost/(3 x budget), as
    in Swiecie. Whoever is in `without` (left, or vetoed) is struck from the candidates and from
    every ballot before anything is counted. Voters are the ballots that then approve of something;
    empty ballots count only for the quorum, which is not decided here.
    Raises ValueError for an election that makes no sense.
    """

    candidates: tuple[Candidate, ...]
    ballots: tuple[frozenset[str], ...]
    budget: int
    seed: str
    floor: bool = True
    rule: str = "equal-shares"
    without: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ValueError(f"the rule must be one of {', '.join(RULES)}, not {self.rule!r}")
        if type(self.seed) is not str or type(self.floor) is not bool:
            raise ValueError("the seed must be a text and the floor true or false")
        for candidate in self.candidates:
            if type(candidate.id) is not str or not candidate.id:
                raise ValueError(f"ids must be non-empty texts, not {candidate.id!r}")
        for text in (self.seed, *(candidate.id for candidate in self.candidates)):
            text.encode()  # a lone surrogate, which JSON can name, has no bytes to draw a lot from
        ordered = tuple(sorted(self.candidates, key=lambda candidate: candidate.id))
        object.__setattr__(self, "candidates", ordered)
        known = {candidate.id for candidate in ordered}
        if len(known) < len(ordered):
            raise ValueError("two candidates have the same id")
        for amount in (self.budget, *(candidate.cost for candidate in ordered)):
            if type(amount) is not int or amount <= 0:
                raise ValueError(f"costs and budget must be positive integers, not {amount!r}")
        if unknown := frozenset[str]().union(*self.ballots) - known - self.without:
            raise ValueError(f"ballots approve of unknown candidates: {sorted(unknown, key=str)}")

    @cached_property
    def standing(self) -> Self:
        """The election that is counted: without those in `without`."""
        if not self.without:
            return self
        return replace(
            self,
            candidates=tuple(c for c in self.candidates if c.id not in self.without),
            ballots=tuple(ballot - self.without for ballot in self.ballots),
            without=frozenset(),
        )

    @cached_property
    def voters(self) -> int:
        return sum(1 for ballot in self.standing.ballots if ballot)

    def approvals(self) -> dict[str, int]:
        """How many ballots approve of each candidate that stands, by id."""
        count = {candidate.id: 0 for candidate in self.standing.candidates}
        for ballot in self.standing.ballots:
            for approved in ballot:
                count[approved] += 1
        return count

    def above_floor(self, candidate: Candidate, approvals: int) -> bool:
        """Whether approvals/voters >= cost/(3 x budget), if the election has that floor."""
        return not self.floor or 3 * self.budget * approvals >= candidate.cost * self.voters

    def eligible(self) -> list[Candidate]:
        """The candidates that can win at all: approved by someone, above the floor, affordable."""
        approvals = self.approvals()
        return [
            candidate
            for candidate in self.standing.candidates
            if approvals[candidate.id]
            and candidate.cost <= self.budget
            and self.above_floor(candidate, approvals[candidate.id])
        ]

    def lot(self, candidate_id: str) -> str:
        """SHA-256(seed || id), hexadecimal; among equals the lowest lot goes first."""
        return hashlib.sha256((self.seed + candidate_id).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and canonical: equal elections give equal dictionaries."""
        return {
            "format": FORMAT,
            "rule": self.rule,
            "seed": self.seed,
            "candidates": [{"id": c.id, "cost": c.cost} for c in self.candidates],
            "without": sorted(self.without),
            "ballots": [sorted(ballot) for ballot in self.ballots],
            "budget": self.budget,
            "floor": self.floor,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises ValueError, saying why, for anything else."""
        if data.get("format", FORMAT) != FORMAT:
            raise ValueError(f"the format must be {FORMAT!r}, not {data['format']!r}")
        for key in ("candidates", "ballots", "budget"):
            if key not in data:
                raise ValueError(f"{key!r} is missing")
        for key in ("candidates", "ballots", "without"):
            if not isinstance(data.get(key, []), list):
                raise ValueError(f"{key!r} must be a list, not {data[key]!r}")
        for number, one in enumerate(data["candidates"], start=1):
            if not isinstance(one, Mapping) or not {"id", "cost"} <= one.keys():
                raise ValueError(f"candidate {number} must have an id and a cost, not {one!r}")
        for number, ballot in enumerate(data["ballots"], start=1):
            if not isinstance(ballot, list) or not all(isinstance(one, str) for one in ballot):
                raise ValueError(f"ballot {number} must be a list of ids, not {ballot!r}")
        if not all(isinstance(one, str) for one in data.get("without", [])):
            raise ValueError(f"'without' must be a list of ids, not {data['without']!r}")
        return cls(
            candidates=tuple(Candidate(c["id"], c["cost"]) for c in data["candidates"]),
            ballots=tuple(frozenset(ballot) for ballot in data["ballots"]),
            budget=data["budget"],
            seed=data.get("seed", ""),
            floor=data.get("floor", True),
            rule=data.get("rule", "equal-shares"),
            without=frozenset(data.get("without", [])),
        )
