"""Greedy utilitarian choice: the most approvals first, as long as it fits."""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby

from governance.tally.election import Candidate, Election


@dataclass(frozen=True)
class Fill:
    """The experts that were added, in order, and the ties that a lot had to break."""

    winners: list[str]
    tied: list[tuple[str, ...]]


def fill(election: Election, already: Collection[str]) -> Fill:
    """Add the eligible experts that still fit beside `already`: most approvals, then lower cost."""
    approvals = election.approvals()
    room = election.budget - sum(c.cost for c in election.candidates if c.id in already)
    winners: list[str] = []
    tied: list[tuple[str, ...]] = []

    def merit(candidate: Candidate) -> tuple[int, int]:
        return (-approvals[candidate.id], candidate.cost)

    waiting = [c for c in election.eligible() if c.id not in already]
    waiting.sort(key=lambda candidate: (*merit(candidate), election.lot(candidate.id)))
    for (_, cost), equals in groupby(waiting, key=merit):
        names = [candidate.id for candidate in equals]
        fitting = names[: room // cost]
        winners += fitting
        room -= cost * len(fitting)
        if fitting and len(names) > 1:
            tied.append(tuple(names))
    return Fill(winners, tied)


def utilitarian(election: Election) -> tuple[str, ...]:
    """The greedy winners, for comparison: the same eligible experts, without equal shares."""
    return tuple(fill(election.standing, ()).winners)
