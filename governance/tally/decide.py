"""The rule: equal shares, completed by larger shares, then filled greedily."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from governance.tally.election import Election
from governance.tally.greedy import Fill, fill
from governance.tally.shares import Electorate, Spending, spend


@dataclass(frozen=True)
class Outcome:
    """Who wins, and how the final share was spent."""

    electorate: Electorate
    share_initial: Fraction
    share: Fraction
    spending: Spending
    fill: Fill

    @property
    def winners(self) -> list[str]:
        return self.spending.winners + self.fill.winners


def decide(election: Election) -> Outcome:
    """Find the winners.

    1. Every voter gets the share budget/voters, and the Method of Equal Shares buys experts.
    2. While some eligible expert would still fit into the budget, every share is raised by 1 % of
       the initial one and the method starts anew; the last outcome within the budget counts. This
       ends before a share reaches the budget: then the supporters of whatever fits can pay it.
    3. What still fits is added: most approvals first, then lower cost, then the lot.
    """
    election = election.standing
    electorate = Electorate(election)
    initial = Fraction(election.budget, election.voters) if election.voters else Fraction(0)
    percent, spending = 100, spend(electorate, initial, step=1 / 100)
    while _something_fits(election, electorate, spending):
        # Within the slack the same experts are bought, so only the first step behind it is tried.
        following = max(percent + 1, ceil(percent * (1 + spending.slack)))
        larger = spend(electorate, initial * following / 100, step=1 / following)
        if _cost(electorate, larger) > election.budget:
            percent = following - 1
            spending = spend(electorate, initial * percent / 100)
            break
        percent, spending = following, larger
    filled = fill(election, spending.winners)
    return Outcome(electorate, initial, initial * percent / 100, spending, filled)


def _cost(electorate: Electorate, spending: Spending) -> int:
    return sum(electorate.candidates[name].cost for name in spending.winners)


def _something_fits(election: Election, electorate: Electorate, spending: Spending) -> bool:
    room = election.budget - _cost(electorate, spending)
    bought = set(spending.winners)
    return any(
        candidate.cost <= room
        for candidate in electorate.candidates.values()
        if candidate.id not in bought
    )
