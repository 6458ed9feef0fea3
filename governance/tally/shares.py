"""The Method of Equal Shares at one share: what the voters buy when each holds the same money.

Peters, Pierczynski and Skowron, 'Proportional Participatory Budgeting with Additive Utilities'
(NeurIPS 2021), with cost utilities: an expert is worth its cost to everybody who approves of it.
"""

import heapq
from dataclasses import dataclass
from fractions import Fraction

from governance.tally.election import Election

# What the candidates are bought in the order of: price per unit of utility, then the tie-breaks
# (lower cost, more approvals, lot). The id comes last and is never reached.
Key = tuple[Fraction, int, int, str, str]


class Electorate:
    """The ballots of an election, equal ones together: their voters always hold equal money."""

    def __init__(self, election: Election) -> None:
        members: dict[frozenset[str], list[int]] = {}
        for index, ballot in enumerate(election.ballots):
            if ballot:
                members.setdefault(ballot, []).append(index)
        self.groups = list(members.values())  # ballot indices of each group
        self.sizes = [len(group) for group in self.groups]
        self.candidates = {candidate.id: candidate for candidate in election.eligible()}
        self.supporters: dict[str, list[int]] = {name: [] for name in self.candidates}
        for group, ballot in enumerate(members):
            for name in ballot & self.candidates.keys():
                self.supporters[name].append(group)
        approvals = election.approvals()
        self.keys: list[Key] = [
            (Fraction(1, approvals[c.id]), c.cost, -approvals[c.id], election.lot(c.id), c.id)
            for c in self.candidates.values()
        ]


@dataclass(frozen=True)
class Purchase:
    """One expert bought; `paid` is what one voter of each group paid, in units of 1/`coin`."""

    id: str
    rho: Fraction
    paid: dict[int, int]
    coin: int
    tied: tuple[str, ...]  # everyone the lot was drawn among; empty if there was no lot


@dataclass(frozen=True)
class Spending:
    """All purchases at one share, in order, and what one voter of each group has left."""

    purchases: list[Purchase]
    left: list[Fraction]

    @property
    def winners(self) -> list[str]:
        return [purchase.id for purchase in self.purchases]


class Purses:
    """The voters' money, in whole coins that are cut smaller whenever a purchase needs it.

    Integers over one common denominator are exact like Fractions, and many times faster.
    """

    def __init__(self, electorate: Electorate, share: Fraction) -> None:
        self._electorate = electorate
        self.coin = share.denominator  # coins in one unit of money
        self.held = [share.numerator] * len(electorate.groups)

    def rho(self, name: str) -> Fraction | None:
        """The smallest rho with sum_i min(held_i, rho x cost) = cost over the supporters.

        None if all their money does not reach the cost.
        """
        sizes, held = self._electorate.sizes, self.held
        cost = self._electorate.candidates[name].cost
        purses = sorted((held[group], sizes[group]) for group in self._electorate.supporters[name])
        owed, payers = cost * self.coin, sum(size for _, size in purses)
        for purse, size in purses:
            if purse * payers >= owed:  # from here on everybody can pay an equal part
                return Fraction(owed, payers * cost * self.coin)
            owed -= purse * size
            payers -= size
        return None

    def pay(self, name: str, rho: Fraction) -> dict[int, int]:
        """Take min(held, rho x cost) from every supporter; returns it by group, in coins."""
        price = rho * self._electorate.candidates[name].cost * self.coin
        if price.denominator > 1:
            self.coin *= price.denominator
            self.held = [purse * price.denominator for purse in self.held]
        paid = {}
        for group in self._electorate.supporters[name]:
            paid[group] = min(self.held[group], price.numerator)
            self.held[group] -= paid[group]
        return paid


def spend(electorate: Electorate, share: Fraction) -> Spending:
    """Buy, again and again, the affordable expert with the smallest rho, until none is left.

    Money only shrinks, so an old rho is a lower bound of the present one: an expert is looked at
    again only when its bound has come to the top.
    """
    purses = Purses(electorate, share)
    queue = list(electorate.keys)
    heapq.heapify(queue)
    purchases: list[Purchase] = []
    while queue:
        key = heapq.heappop(queue)
        rho = purses.rho(key[-1])
        if rho is None:
            continue
        if rho > key[0]:
            heapq.heappush(queue, (rho, *key[1:]))
            continue
        tied = _tied(queue, key, purses)
        paid = purses.pay(key[-1], rho)
        purchases.append(Purchase(key[-1], rho, paid, purses.coin, tied))
    return Spending(purchases, [Fraction(purse, purses.coin) for purse in purses.held])


def _tied(queue: list[Key], first: Key, purses: Purses) -> tuple[str, ...]:
    """Everyone who equals `first` in all but the lot, `first` included; empty if nobody does."""
    equals: list[Key] = []
    while queue and queue[0][:3] == first[:3]:
        key = heapq.heappop(queue)
        rho = purses.rho(key[-1])
        if rho == first[0]:
            equals.append(key)
        elif rho is not None:
            heapq.heappush(queue, (rho, *key[1:]))
    for key in equals:
        heapq.heappush(queue, key)
    return (first[-1], *(key[-1] for key in equals)) if equals else ()
