"""The Method of Equal Shares at one share: what the voters buy when each holds the same money.

Peters, Pierczynski and Skowron, 'Proportional Participatory Budgeting with Additive Utilities'
(NeurIPS 2021), with cost utilities: an expert is worth its cost to everybody who approves of it.
"""

import heapq
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

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
        self.budget = election.budget
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
    """All purchases at one share, in order, and what one voter of each group has left.

    At every share in [share, share + slack) the same experts are bought in the same order. A slack
    of at most one `step` is not worth knowing: it can be too large, but not above the step.
    """

    purchases: list[Purchase]
    left: list[Fraction]
    slack: Fraction

    @property
    def winners(self) -> list[str]:
        return [purchase.id for purchase in self.purchases]


@dataclass(frozen=True)
class Offer:
    """The smallest rho with sum_i min(held_i, rho x cost) = cost over an expert's supporters.

    `slope` (<= 0) is how rho changes with the share. Rho is convex in the share, since a larger
    share leaves fewer supporters without enough, so rho + slope x d bounds it from below.
    """

    rho: Fraction
    slope: Fraction


class Purses:
    """The voters' money, in whole coins that are cut smaller whenever a purchase needs it.

    Integers over one common denominator are exact like Fractions, and many times faster. `rise`
    is how many coins more a purse would hold for one unit of share more.
    """

    def __init__(self, electorate: Electorate, share: Fraction, step: Fraction) -> None:
        self._electorate = electorate
        self._step = step
        self.coin = share.denominator  # coins in one unit of money
        self.held = [share.numerator] * len(electorate.groups)
        self._rise = [self.coin] * len(electorate.groups)
        self.slack = Fraction(electorate.budget)  # no share is ever raised as far as that

    def offer(self, name: str) -> Offer | None:
        """The present offer of an expert; None if all its supporters' money is not enough."""
        sizes, cost = self._electorate.sizes, self._electorate.candidates[name].cost
        supporters = self._electorate.supporters[name]
        purses = sorted((self.held[at], sizes[at], self._rise[at]) for at in supporters)
        owed, payers, rise = cost * self.coin, sum(size for _, size, _ in purses), 0
        for held, size, rises in purses:
            if held * payers >= owed:  # from here on everybody can pay an equal part
                unit = payers * cost * self.coin
                return Offer(Fraction(owed, unit), Fraction(-rise, unit))
            owed -= held * size
            payers -= size
            rise += rises * size
        self.same_until(owed, rise)
        return None

    def pay(self, name: str, offer: Offer) -> dict[int, int]:
        """Take min(held, rho x cost) from every supporter; returns it by group, in coins."""
        cost = self._electorate.candidates[name].cost
        price, slope = offer.rho * cost * self.coin, offer.slope * cost * self.coin
        cut = lcm(price.denominator, slope.denominator)
        if cut > 1:
            self.coin *= cut
            self.held = [coins * cut for coins in self.held]
            self._rise = [coins * cut for coins in self._rise]
        full, change = int(price * cut), int(slope * cut)
        paid = {}
        for at in self._electorate.supporters[name]:
            held = self.held[at]
            paid[at] = min(held, full)
            self.held[at] -= paid[at]
            if held < full:
                self.same_until(full - held, self._rise[at] - change)
                self._rise[at] = 0
            else:
                self._rise[at] -= change
        return paid

    @property
    def looks_ahead(self) -> bool:
        return self.slack > self._step

    def same_until(self, distance: Fraction | int, speed: Fraction | int) -> None:
        """Something changes once the share has risen by distance/speed, if speed is positive."""
        if speed > 0 and self.looks_ahead:
            self.slack = min(self.slack, Fraction(distance) / speed)


def spend(electorate: Electorate, share: Fraction, step: Fraction) -> Spending:
    """Buy, again and again, the affordable expert with the smallest rho, until none is left.

    Money only shrinks, so an old offer bounds the present one from below: an expert is looked at
    again only when its bound has come to the top of the queue.
    """
    purses = Purses(electorate, share, step)
    queue = list(electorate.keys)
    heapq.heapify(queue)
    slopes = dict.fromkeys(electorate.candidates, Fraction(0))
    purchases: list[Purchase] = []
    while queue:
        first = heapq.heappop(queue)
        name = first[-1]
        offer = purses.offer(name)
        if offer is None:
            continue
        slopes[name] = offer.slope
        if offer.rho > first[0]:
            heapq.heappush(queue, (offer.rho, *first[1:]))
            continue
        for other in queue if purses.looks_ahead else ():
            purses.same_until(other[0] - offer.rho, offer.slope - slopes[other[-1]])
        tied = _tied(queue, first, purses)
        paid = purses.pay(name, offer)
        purchases.append(Purchase(name, offer.rho, paid, purses.coin, tied))
    left = [Fraction(coins, purses.coin) for coins in purses.held]
    return Spending(purchases, left, purses.slack)


def _tied(queue: list[Key], first: Key, purses: Purses) -> tuple[str, ...]:
    """Everyone who equals `first` in all but the lot, `first` included; empty if nobody does."""
    equals = []
    for key in queue:
        if key[:3] == first[:3]:
            offer = purses.offer(key[-1])
            if offer and offer.rho == first[0]:
                equals.append(key[-1])
    return (first[-1], *sorted(equals)) if equals else ()
