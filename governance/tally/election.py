"""What is decided: candidates with costs, approval ballots, a budget."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Candidate:
    """An expert on the ballot; `cost` is what it needs of the budget, in bytes."""

    id: str
    cost: int


@dataclass(frozen=True)
class Election:
    """An approval election. Candidates are kept sorted by id: their order carries no meaning.

    `seed` decides the lots. `floor` asks of an expert approvals/voters >= cost/(3 x budget), as
    in Swiecie. Voters are the ballots that approve of something; empty ballots count only for
    the quorum, which is not decided here. Raises ValueError for an election that makes no sense.
    """

    candidates: tuple[Candidate, ...]
    ballots: tuple[frozenset[str], ...]
    budget: int
    seed: str
    floor: bool = True

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.candidates, key=lambda candidate: candidate.id))
        object.__setattr__(self, "candidates", ordered)
        known = {candidate.id for candidate in ordered}
        if len(known) < len(ordered):
            raise ValueError("two candidates have the same id")
        for amount in (self.budget, *(candidate.cost for candidate in ordered)):
            if type(amount) is not int or amount <= 0:
                raise ValueError(f"costs and budget must be positive integers, not {amount!r}")
        if unknown := frozenset[str]().union(*self.ballots) - known:
            raise ValueError(f"ballots approve of unknown candidates: {sorted(unknown)}")

    @property
    def voters(self) -> int:
        return sum(1 for ballot in self.ballots if ballot)

    def approvals(self) -> dict[str, int]:
        """How many ballots approve of each candidate, by id."""
        count = {candidate.id: 0 for candidate in self.candidates}
        for ballot in self.ballots:
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
            for candidate in self.candidates
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
            "candidates": [{"id": c.id, "cost": c.cost} for c in self.candidates],
            "ballots": [sorted(ballot) for ballot in self.ballots],
            "budget": self.budget,
            "seed": self.seed,
            "floor": self.floor,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises KeyError, TypeError or ValueError for other shapes."""
        return cls(
            candidates=tuple(Candidate(c["id"], c["cost"]) for c in data["candidates"]),
            ballots=tuple(frozenset(ballot) for ballot in data["ballots"]),
            budget=data["budget"],
            seed=data["seed"],
            floor=data.get("floor", True),
        )
