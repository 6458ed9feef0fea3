"""The Method of Equal Shares at one share: what the voters buy when each holds the same money.

Peters, Pierczynski and Skowron, 'Proportional Participatory Budgeting with Additive Utilities'
(NeurIPS 2021), with cost utilities: an expert is worth its cost to everybody who approves of it.

The result is exact, and most of the work is done in floats all the same: a float whose error is
bounded tells which experts can come next, and integers decide among these (a 'floating-point
filter', as in exact geometry; Shewchuk, 1997).
"""

from dataclasses import dataclass, field
from fractions import Fraction
from heapq import heapify, heappop, heappush
from math import gcd, inf

import numpy as np
from numpy.typing import NDArray

from governance.tally.election import Election

Floats = NDArray[np.float64]
Groups = NDArray[np.intp]

# What a purse is said to hold once its voter has given everything: below all others.
_EMPTY = -1.0


class Electorate:
    """The ballots of an election, equal ones together: their voters always hold equal money."""

    def __init__(self, election: Election) -> None:
        members: dict[frozenset[str], list[int]] = {}
        for index, ballot in enumerate(election.ballots):
            if ballot:
                members.setdefault(ballot, []).append(index)
        self.groups = list(members.values())  # ballot indices of each group
        self.sizes = [len(group) for group in self.groups]
        self.voters = sum(self.sizes)
        self.approvals = election.approvals()
        self.candidates = {candidate.id: candidate for candidate in election.eligible()}
        supporters: dict[str, list[int]] = {name: [] for name in self.candidates}
        for group, ballot in enumerate(members):
            for name in ballot & self.candidates.keys():
                supporters[name].append(group)
        self.supporters = {name: np.array(at, np.intp) for name, at in supporters.items()}
        # Among equal prices: the lower cost, more approvals, the lower lot.
        self.order = {
            c.id: (c.cost, -self.approvals[c.id], election.lot(c.id))
            for c in self.candidates.values()
        }


@dataclass(frozen=True)
class Purchase:
    """One expert bought; `tied` is everyone the lot was drawn among, empty if there was no lot."""

    id: str
    rho: Fraction
    tied: tuple[str, ...]


@dataclass(frozen=True)
class Spending:
    """All purchases at one share, in order.

    `payments()[k]` is what one voter of each supporting group gave for purchase k, `left()` what
    one voter of each group keeps. At every share in [share, share x (1 + slack)) the same experts
    are bought in the same order.
    """

    purchases: list[Purchase]
    electorate: Electorate
    purses: "Purses"

    @property
    def winners(self) -> list[str]:
        return [purchase.id for purchase in self.purchases]

    @property
    def slack(self) -> float:
        return max(0.0, self.purses.slack * (1 - 1e-9))  # less than any rounding took from it

    def payments(self) -> list[dict[int, Fraction]]:
        purses, coin = self.purses, self.purses.coin
        prices = [Fraction(price, coin) for price in purses.prices]
        paid = [
            dict.fromkeys(self.electorate.supporters[name].tolist(), Fraction(0))
            for name in self.winners
        ]
        for group, purchases in enumerate(purses.paid_in_full):
            for number in purchases:
                paid[number][group] = prices[number]
        for group, number in purses.emptied_by.items():
            paid[number][group] = Fraction(purses.coins(group), coin)
        return paid

    def left(self) -> list[Fraction]:
        """Zero for whoever gave the last coin; in the unit of the costs."""
        purses = self.purses
        return [
            Fraction(0 if group in purses.emptied_by else purses.coins(group), purses.coin)
            for group in range(len(purses.paid_in_full))
        ]


@dataclass(frozen=True)
class Estimate:
    """An offer in floats: rho lies in [low, high]. The price is in shares.

    `slope` (<= 0) is how rho changes with the share. Rho is convex in the share, since a larger
    share leaves fewer supporters without enough, so rho + slope x d bounds it from below.
    """

    price: float
    low: float
    high: float
    slope: float


@dataclass(frozen=True)
class Offer:
    """The smallest rho with sum_i min(held_i, rho x cost) = cost, exactly.

    The groups in `emptied` give all they hold; the rest, `payers` voters, bring what is `owed` (in
    coins) in equal parts.
    """

    rho: Fraction
    owed: int
    payers: int
    emptied: list[int] = field(repr=False)


class Purses:
    """The voters' money.

    Exactly known are the prices, in coins that are cut smaller whenever one needs it: `whole` coins
    are a share. A purse is a share less the prices its voter paid. So a sum over many purses is
    found by counting who paid what, and no purse needs an exact number of its own.
    `held` has every purse as a float in shares, and `rise` how fast it grows with the share.
    """

    def __init__(self, electorate: Electorate, share: Fraction, step: float) -> None:
        self._electorate = electorate
        self._step = step
        groups = len(electorate.groups)
        self._weights: Floats = np.array(electorate.sizes, np.float64)
        self._supporters = dict(electorate.supporters)  # those who hold anything
        self._costs = {c.id: float(c.cost / share) for c in electorate.candidates.values()}
        # No price can be below these.
        self._least = {name: at / electorate.approvals[name] for name, at in self._costs.items()}
        self.coin, self.whole = share.denominator, share.numerator  # coins in: one unit, a share
        self.prices: list[int] = []
        self.paid_in_full: list[list[int]] = [[] for _ in range(groups)]
        self.emptied_by: dict[int, int] = {}  # the purchase that took a group's last coin
        self.held: Floats = np.ones(groups)
        self.rise: Floats = np.ones(groups)
        self.slack = inf
        # A purse is off by 2**-52 at most for each purchase (its price and the subtraction, both
        # rounded, none above 1). What is owed is a cost of at most `voters` shares less up to
        # `groups` purses, every term rounded; a price is off by no more. Doubled, to be safe.
        self._error = electorate.voters * (2 * len(electorate.candidates) + groups + 9) * 2.0**-52

    def estimate(self, name: str) -> Estimate | None:
        """The present offer of an expert; None if all its supporters' money is not enough."""
        supporters = self._supporters[name]
        held = self.held[supporters]
        empty = held == _EMPTY
        if empty.any():
            supporters = self._supporters[name] = supporters[~empty]
            held = held[~empty]
        weights = self._weights[supporters]
        money, voters = held * weights, float(weights.sum())
        cost, price = self._costs[name], self._least[name]
        # Newton's method: what the supporters bring at a price is concave in it, so that from below
        # the solution is approached from below, and reached once no further purse falls short.
        while True:
            poor = held < price
            payers = voters - float(weights @ poor)
            if not payers:
                break
            better = (cost - float(money @ poor)) / payers
            if better <= price:
                break
            price = better
        slope = 0.0
        if self.looks_ahead:
            slope = -float((self.rise[supporters] * weights) @ poor)
        if not payers:
            missing = cost - float(money.sum())
            if missing > self._error or not voters:
                self.same_until(missing, -slope)
                return None
            price, payers = float(held.max()), 1.0  # too close to call
        self._least[name] = price
        unit = max(cost, 1e-300)
        low, high = (price - self._error) / unit, (price + self._error) / unit
        return Estimate(price, low, high, slope / payers / unit)

    def offer(self, name: str, price: float) -> Offer | None:
        """The exact offer, of which the price is known roughly; None if there is none."""
        sizes = self._electorate.sizes
        supporters = self._supporters[name]  # none of them empty, after the estimate
        held = self.held[supporters]
        short = held < price - 2 * self._error
        unclear = ~short & (held <= price + 2 * self._error)
        emptied: list[int] = supporters[short].tolist()
        cost = self._electorate.candidates[name].cost
        owed = cost * self.coin - self._together(emptied)
        payers = int(self._weights[supporters[~short]].sum())
        for coins, group in sorted((self.coins(at), at) for at in supporters[unclear].tolist()):
            if coins * payers >= owed:
                break
            owed -= coins * sizes[group]
            payers -= sizes[group]
            emptied.append(group)
        if not payers:
            self.slack = 0.0  # missed by so little that it is not worth knowing how much
            return None
        return Offer(Fraction(owed, payers * cost * self.coin), owed, payers, emptied)

    def pay(self, name: str, offer: Offer) -> None:
        """Take min(held, rho x cost) from every supporter."""
        cut = offer.payers // gcd(offer.owed, offer.payers)
        if cut > 1:
            self.coin *= cut
            self.whole *= cut
            self.prices = [price * cut for price in self.prices]
        exact = offer.owed * cut // offer.payers
        price, number = exact / self.whole, len(self.prices)
        self.prices.append(exact)
        emptied = np.array(offer.emptied, np.intp)
        supporters = self._supporters[name]
        if self.looks_ahead:
            rise = self.rise[emptied]
            slope = -float(rise @ self._weights[emptied]) / offer.payers
            for distance, speed in zip(price - self.held[emptied], rise - slope, strict=True):
                self.same_until(float(distance), float(speed))
            self.rise[supporters] -= slope
        self.held[supporters] -= price
        self.held[emptied] = _EMPTY
        self.emptied_by.update(dict.fromkeys(offer.emptied, number))
        for group in supporters[self.held[supporters] != _EMPTY].tolist():
            self.paid_in_full[group].append(number)

    def coins(self, group: int) -> int:
        """What a voter held before giving the last coin, or holds, if that was not asked for."""
        return self.whole - sum(self.prices[number] for number in self.paid_in_full[group])

    def _together(self, groups: list[int]) -> int:
        """What all voters of the groups hold, in coins."""
        paid, voters = [0] * len(self.prices), 0
        for group in groups:
            size = self._electorate.sizes[group]
            voters += size
            for number in self.paid_in_full[group]:
                paid[number] += size
        spent = sum(count * price for count, price in zip(paid, self.prices, strict=True))
        return voters * self.whole - spent

    @property
    def looks_ahead(self) -> bool:
        """Whether a slack is still worth knowing: the next step lies within it."""
        return self.slack > self._step

    def same_until(self, distance: float, speed: float) -> None:
        """Something changes once the share has risen by distance/speed, if speed is positive."""
        if speed > 0:
            self.slack = min(self.slack, (distance - 2 * self._error) / speed)


def spend(electorate: Electorate, share: Fraction, step: float = inf) -> Spending:
    """Buy, again and again, the affordable expert with the smallest rho, until none is left.

    Money only shrinks, so an old estimate bounds the present rho from below: an expert is looked at
    again only when its bound has come to the top of the queue. A slack of at most one `step` (in
    shares) is not worth knowing: it can then be too large, but not above the step.
    """
    purses = Purses(electorate, share, step)
    queue = [((1 - 1e-9) / electorate.approvals[name], name) for name in electorate.candidates]
    heapify(queue)
    slopes = dict.fromkeys(electorate.candidates, 0.0)
    purchases: list[Purchase] = []
    while queue:
        near: dict[str, Estimate] = {}
        limit = inf
        while queue and queue[0][0] <= limit:
            _, name = heappop(queue)
            if estimate := purses.estimate(name):
                near[name] = estimate
                slopes[name] = estimate.slope
                limit = min(limit, estimate.high)
        # Whoever may be first gets an exact offer, or leaves: its supporters cannot pay.
        contenders = [name for name, estimate in near.items() if estimate.low <= limit]
        offers = {name: purses.offer(name, near[name].price) for name in contenders}
        exact = {name: offer for name, offer in offers.items() if offer}
        keys = {name: (offer.rho, *electorate.order[name]) for name, offer in exact.items()}
        first = min(keys, key=keys.__getitem__, default=None)
        for name, estimate in near.items():
            if name != first and (name in exact or name not in offers):
                heappush(queue, (estimate.low, name))
        if first is None:
            continue
        if purses.looks_ahead:
            for low, other in queue:
                purses.same_until(low - near[first].high, near[first].slope - slopes[other])
        equals = sorted(name for name in keys if keys[name][:3] == keys[first][:3])
        tied = (first, *(name for name in equals if name != first)) if len(equals) > 1 else ()
        purchases.append(Purchase(first, keys[first][0], tied))
        purses.pay(first, exact[first])
    return Spending(purchases, electorate, purses)
