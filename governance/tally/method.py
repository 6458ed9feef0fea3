"""An election decided and explained."""

from fractions import Fraction

from governance.tally.decide import Outcome, decide
from governance.tally.election import Candidate, Election
from governance.tally.greedy import utilitarian
from governance.tally.needed import supporters_needed
from governance.tally.result import Loser, Lot, Reason, Result, Winner

# The question 'how many more supporters?' repeats the election several times for every loser; in
# elections with more candidates x ballots than this it stays unanswered.
_ASK_UP_TO = 2_000


def equal_shares(election: Election) -> Result:
    """Decide an election by the Method of Equal Shares (see `decide` for the rule), with reasons.

    Exact: the result depends on nothing but the election, in whatever order it is written down.
    """
    outcome = decide(election)
    winners = _winners(election, outcome)
    spent_by = [Fraction(0)] * len(election.ballots)
    for winner in winners:
        for ballot, paid in winner.payments.items():
            spent_by[ballot] += paid
    return Result(
        winners=tuple(winners),
        losers=tuple(_losers(election, outcome)),
        lots=tuple(_lots(outcome)),
        budget=election.budget,
        spent=sum(winner.cost for winner in winners),
        voters=election.voters,
        share_initial=outcome.share_initial,
        share_final=outcome.share,
        spent_fractions=tuple(spent and spent / outcome.share for spent in spent_by),
        comparison=utilitarian(election),
    )


def _winners(election: Election, outcome: Outcome) -> list[Winner]:
    approvals = election.approvals()
    candidates = outcome.electorate.candidates
    winners: list[Winner] = []
    for purchase in outcome.spending.purchases:
        payments = {
            ballot: Fraction(coins, purchase.coin)
            for group, coins in purchase.paid.items()
            for ballot in outcome.electorate.groups[group]
        }
        cost = candidates[purchase.id].cost
        winners.append(
            Winner(
                purchase.id, cost, approvals[purchase.id], "equal_shares", len(winners) + 1,
                purchase.rho, payments,
            )
        )  # fmt: skip
    for name in outcome.fill.winners:
        cost = candidates[name].cost
        winners.append(Winner(name, cost, approvals[name], "fill", len(winners) + 1, None, {}))
    return winners


def _losers(election: Election, outcome: Outcome) -> list[Loser]:
    """Most approvals first, then lower cost, then by lot: the order of the fill."""
    approvals = election.approvals()
    losers = [c for c in election.candidates if c.id not in outcome.winners]
    losers.sort(key=lambda c: (-approvals[c.id], c.cost, election.lot(c.id)))
    ask = len(election.candidates) * len(election.ballots) <= _ASK_UP_TO
    left = {
        ballot: money
        for group, money in zip(outcome.electorate.groups, outcome.spending.left, strict=True)
        for ballot in group
    }
    found: list[Loser] = []
    for loser in losers:
        supporters = (at for at, ballot in enumerate(election.ballots) if loser.id in ballot)
        remaining = sum((left[ballot] for ballot in supporters), Fraction(0))
        reason = _reason(election, outcome, loser, approvals[loser.id])
        needed = None
        if ask and loser.cost <= election.budget:
            needed = supporters_needed(election, loser.id, most=max(election.voters, 1))
        found.append(
            Loser(
                loser.id, loser.cost, approvals[loser.id], reason,
                remaining, max(loser.cost - remaining, Fraction(0)), needed,
            )
        )  # fmt: skip
    return found


def _reason(election: Election, outcome: Outcome, loser: Candidate, approvals: int) -> Reason:
    bought = sum(outcome.electorate.candidates[name].cost for name in outcome.spending.winners)
    if not approvals:
        return "no_approval"
    if loser.cost > election.budget:
        return "does_not_fit"
    if not election.above_floor(loser, approvals):
        return "below_floor"
    return "does_not_fit" if bought + loser.cost <= election.budget else "supporters_could_not_pay"


def _lots(outcome: Outcome) -> list[Lot]:
    lots: list[Lot] = []
    winners = outcome.winners
    for number, purchase in enumerate(outcome.spending.purchases, start=1):
        if purchase.tied:
            decisive = any(name not in winners for name in purchase.tied)
            lots.append(Lot("equal_shares", number, purchase.tied, (purchase.id,), decisive))
    for tied in outcome.fill.tied:
        chosen = tuple(name for name in tied if name in outcome.fill.winners)
        lots.append(Lot("fill", winners.index(chosen[0]) + 1, tied, chosen, decisive=True))
    return lots
