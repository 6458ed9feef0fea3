"""Sequential Phragmen with costs: a rule, and the waiting list of every rule.

Brill, Freeman, Janson and Lackner, 'Phragmen's Voting Methods and Justified Representation' (AAAI
2017); with costs: Los, Christoff and Grossi, 'Proportional Budget Allocations' (IJCAI 2022).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import gcd
from typing import NamedTuple

from governance.tally.election import Election


class Turn(NamedTuple):
    """An expert's turn: everybody has earned `moment` by then. `tied` as in a Purchase."""

    id: str
    moment: Fraction
    tied: tuple[str, ...]


def turns(election: Election, *lines: Collection[str]) -> Iterator[Turn]:
    """Everybody in the first line as their turn comes, then everybody in the second, and so on.

    Every voter earns money at the same constant speed, from 0. The next in the line is the expert
    whose supporters together held its cost the earliest: ties go to lower cost, more approvals, the
    lower lot. They then hold 0. The clock never runs back: where the supporters held enough before
    this line was opened, they are set to 0 now.

    With s_i for the moment at which voter i last held 0, n supporters hold the cost at
    (cost + s_1 + ... + s_n)/n. Moments are integers over one denominator, `coin`.
    """
    approvals = election.approvals()
    known = {candidate.id: candidate for candidate in election.candidates}
    supporters: dict[str, list[int]] = {name: [] for name in known}
    for index, ballot in enumerate(election.ballots):
        for name in ballot:
            supporters[name].append(index)
    order = {c.id: (c.cost, -approvals[c.id], election.lot(c.id)) for c in election.candidates}
    coin, moments = 1, [0]
    last = [0] * len(election.ballots)  # the number of the moment at which a voter held 0
    owed = {name: candidate.cost for name, candidate in known.items()}  # cost + s_1 + ... + s_n
    for line in lines:
        waiting = {name for name in line if approvals[name]}
        while waiting:
            best = next(iter(waiting))
            tied: list[str] = []
            for name in waiting:
                ahead = owed[name] * approvals[best] - owed[best] * approvals[name]
                if ahead < 0 or (ahead == 0 and order[name][:2] < order[best][:2]):
                    best, tied = name, [name]
                elif ahead == 0 and order[name][:2] == order[best][:2]:
                    tied.append(name)
            best = min(tied, key=order.__getitem__)
            waiting.remove(best)
            cut = approvals[best] // gcd(owed[best], approvals[best])
            coin *= cut
            moments = [moment * cut for moment in moments]
            owed = {name: amount * cut for name, amount in owed.items()}
            now = max(moments[-1], owed[best] // approvals[best])
            gained = [now - moment for moment in moments]
            for index in supporters[best]:
                for name in election.ballots[index]:
                    owed[name] += gained[last[index]]
                last[index] = len(moments)
            moments.append(now)
            others = sorted(name for name in tied if name != best)
            yield Turn(best, Fraction(now, coin), (best, *others) if others else ())


@dataclass(frozen=True)
class Queue:
    """Who was bought within the budget, and whose turn ended it (None: everybody was bought)."""

    bought: list[Turn]
    end: Turn | None

    @property
    def winners(self) -> list[str]:
        return [turn.id for turn in self.bought]


def queue(election: Election) -> Queue:
    """Buy whoever is approved by anybody in turn; the first that costs more than is left ends it.

    The order does not depend on the budget, neither by a floor nor by what is too dear for it, so a
    larger budget keeps all winners.
    """
    election = election.standing
    costs = {candidate.id: candidate.cost for candidate in election.candidates}
    room, bought = election.budget, list[Turn]()
    for turn in turns(election, costs):
        if costs[turn.id] > room:
            return Queue(bought, turn)
        room -= costs[turn.id]
        bought.append(turn)
    return Queue(bought, None)


def waiting_list(election: Election, winners: Collection[str]) -> tuple[str, ...]:
    """Who is next: the eligible losers, as Phragmen without a limit of the budget would go on.

    First the winners, by whatever rule they won, have their turns, in Phragmen's order among
    themselves; each sets its supporters to 0. From that moment on the losers have theirs (see
    `turns`), without any end.
    """
    election = election.standing
    losers = [c.id for c in election.eligible() if c.id not in winners]
    first = [c.id for c in election.candidates if c.id in winners]
    line = [turn.id for turn in turns(election, first, losers)]
    return tuple(name for name in line if name not in winners)
