"""The rules: one function each from an election to its result, with the reasons.

Exact: a result depends on nothing but the election, in whatever order it is written down.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import lcm
from typing import Any

from governance.tally.decide import Outcome, decide
from governance.tally.election import Candidate, Election
from governance.tally.greedy import Fill, fill, utilitarian
from governance.tally.needed import guess, supporters_needed
from governance.tally.phragmen import queue, waiting_list
from governance.tally.result import Loser, Lot, Reason, Result, Winner

_ASK_UP_TO = 150_000


def asks_at_once(election: Election) -> bool:
    """Whether a result says how many more supporters each loser needs.

    That repeats the election several times for each. Where it would take more than moments
    (candidates x candidates x ballots) it is left to be asked later, with `more_supporters`.
    """
    return len(election.candidates) ** 2 * len(election.ballots) <= _ASK_UP_TO


def more_supporters(election: Election, result: Mapping[str, Any], loser_id: str) -> int | None:
    """With how many further supporters a loser of `result`, the count of `election`, wins.

    None: with none up to as many as voted, or it costs more than the budget.
    """
    loser = next(one for one in election.candidates if one.id == loser_id)
    if loser.cost > election.budget:
        return None
    missing = next(Fraction(one["missing"]) for one in result["losers"] if one["id"] == loser_id)
    near = guess(election.standing, loser, missing, Fraction(result["share"]["final"]))
    return supporters_needed(election, loser_id, most=max(election.voters, 1), near=near)


def equal_shares(election: Election) -> Result:
    """The Method of Equal Shares, completed and filled (see `decide` for the rule)."""
    election = replace(election.standing, rule="equal-shares")
    outcome = decide(election)
    groups, approvals = outcome.electorate.groups, outcome.electorate.approvals
    winners: list[Winner] = []
    paid = outcome.spending.payments()
    for number, purchase in enumerate(outcome.spending.purchases):
        payments = {b: money for group, money in paid[number].items() for b in groups[group]}
        cost = outcome.electorate.candidates[purchase.id].cost
        count = approvals[purchase.id]
        winners.append(
            Winner(purchase.id, cost, count, "equal_shares", number + 1, purchase.rho, payments)
        )
    bought = sum(winner.cost for winner in winners)
    left = [Fraction(0)] * len(election.ballots)
    for ballots, money in zip(groups, outcome.spending.left(), strict=True):
        for ballot in ballots:
            left[ballot] = money
    return _result(
        election,
        winners + _filled(election, outcome.fill, len(winners)),
        _lots_of_purchases(outcome) + _lots_of_fill(outcome.fill, outcome.winners),
        (outcome.share_initial, outcome.share),
        left,
        lambda loser: bought + loser.cost <= election.budget,
    )


def greedy(election: Election) -> Result:
    """Most approvals first, as long as it fits."""
    election = replace(election.standing, rule="greedy")
    filled = fill(election, ())
    share = Fraction(election.budget, election.voters) if election.voters else Fraction(0)
    return _result(
        election,
        _filled(election, filled, 0),
        _lots_of_fill(filled, filled.winners),
        (share, share),
        None,
        lambda loser: True,
    )


def phragmen(election: Election) -> Result:
    """Sequential Phragmen within the budget (see `queue` for the rule)."""
    election = replace(election.standing, rule="phragmen", floor=False)  # it knows no floor
    found = queue(election)
    approvals = election.approvals()
    costs = {candidate.id: candidate.cost for candidate in election.candidates}
    last = [Fraction(0)] * len(election.ballots)  # when each voter last held nothing
    winners: list[Winner] = []
    lots: list[Lot] = []
    for number, (name, moment, tied) in enumerate(found.bought, start=1):
        payments: dict[int, Fraction] = {}
        for index, ballot in enumerate(election.ballots):
            if name in ballot:
                payments[index], last[index] = moment - last[index], moment
        winners.append(
            Winner(name, costs[name], approvals[name], "phragmen", number, None, payments)
        )
        if tied:
            decisive = not set(tied) <= set(found.winners)
            lots.append(Lot("phragmen", number, tied, (name,), decisive))
    end = found.end or (found.bought[-1] if found.bought else None)
    earned = end.moment if end else Fraction(0)
    ballots = zip(last, election.ballots, strict=True)
    return _result(
        election,
        winners,
        lots,
        (earned, earned),
        [earned - moment if ballot else Fraction(0) for moment, ballot in ballots],
        lambda loser: found.end is not None and loser.id == found.end.id,
    )


RULES: Mapping[str, Callable[[Election], Result]] = {
    "equal-shares": equal_shares,
    "greedy": greedy,
    "phragmen": phragmen,
}


def _result(
    election: Election,
    winners: Sequence[Winner],
    lots: Sequence[Lot],
    share: tuple[Fraction, Fraction],
    left: Sequence[Fraction] | None,
    squeezed_out: Callable[[Candidate], bool],
) -> Result:
    """`left`: of each ballot's final share, None if no money was spent. `squeezed_out`: whether
    an eligible loser fell to the budget rather than to its supporters' money."""
    names = frozenset(winner.id for winner in winners)
    if left is None:
        spent = [Fraction(0)] * len(election.ballots)
        left = spent
    else:
        spent = [
            1 - money / share[1] if ballot and share[1] else Fraction(0)
            for money, ballot in zip(left, election.ballots, strict=True)
        ]
    return Result(
        rule=election.rule,
        winners=tuple(winners),
        losers=tuple(_losers(election, names, left, squeezed_out)),
        lots=tuple(lots),
        budget=election.budget,
        spent=sum(winner.cost for winner in winners),
        voters=election.voters,
        share_initial=share[0],
        share_final=share[1],
        spent_fractions=tuple(spent),
        winners_approved=tuple(len(names & ballot) for ballot in election.ballots),
        comparison=utilitarian(election),
        waiting_list=waiting_list(election, names),
    )


def _losers(
    election: Election,
    winners: frozenset[str],
    left: Sequence[Fraction],
    squeezed_out: Callable[[Candidate], bool],
) -> list[Loser]:
    """Most approvals first, then lower cost, then by lot: the order of the fill."""
    approvals = election.approvals()
    losers = [c for c in election.candidates if c.id not in winners]
    losers.sort(key=lambda c: (-approvals[c.id], c.cost, election.lot(c.id)))
    coin = lcm(*{money.denominator for money in left})  # integers are added faster than fractions
    held = dict.fromkeys(approvals, 0)
    for money, ballot in zip(left, election.ballots, strict=True):
        coins = money.numerator * (coin // money.denominator)
        for name in ballot:
            held[name] += coins
    ask = asks_at_once(election)
    voters = election.voters

    def reason(loser: Candidate) -> Reason:
        if not approvals[loser.id]:
            return "no_approval"
        if loser.cost > election.budget:
            return "does_not_fit"
        if not election.above_floor(loser, approvals[loser.id]):
            return "below_floor"
        return "does_not_fit" if squeezed_out(loser) else "supporters_could_not_pay"

    found: list[Loser] = []
    for loser in losers:
        remaining = Fraction(held[loser.id], coin)
        needed = None
        if ask and loser.cost <= election.budget:
            needed = supporters_needed(election, loser.id, most=max(voters, 1))
        found.append(
            Loser(
                loser.id, loser.cost, approvals[loser.id], reason(loser),
                remaining, max(loser.cost - remaining, Fraction(0)), needed,
            )
        )  # fmt: skip
    return found


def _filled(election: Election, filled: Fill, before: int) -> list[Winner]:
    approvals = election.approvals()
    costs = {candidate.id: candidate.cost for candidate in election.candidates}
    return [
        Winner(name, costs[name], approvals[name], "fill", number, None, {})
        for number, name in enumerate(filled.winners, start=before + 1)
    ]


def _lots_of_purchases(outcome: Outcome) -> list[Lot]:
    winners = set(outcome.winners)
    return [
        Lot("equal_shares", number, one.tied, (one.id,), not set(one.tied) <= winners)
        for number, one in enumerate(outcome.spending.purchases, start=1)
        if one.tied
    ]


def _lots_of_fill(filled: Fill, winners: list[str]) -> list[Lot]:
    lots: list[Lot] = []
    for tied in filled.tied:
        chosen = tuple(name for name in tied if name in filled.winners)
        decisive = len(chosen) < len(tied)
        lots.append(Lot("fill", winners.index(chosen[0]) + 1, tied, chosen, decisive))
    return lots
