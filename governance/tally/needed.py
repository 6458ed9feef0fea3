"""How many more supporters would have carried an expert."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

from governance.tally.decide import decide
from governance.tally.election import Candidate, Election
from governance.tally.greedy import utilitarian
from governance.tally.phragmen import queue


def supporters_needed(
    election: Election, candidate_id: str, most: int, near: int = 1
) -> int | None:
    """A number of further ballots, approving of this expert alone, with which it wins; or None.

    The number is exact in that the election was repeated with it and won, and repeated with one
    ballot less and lost. A smaller one can exist where the rule is not monotone. It is looked for
    from `near`, a guess, in steps that double, up to `most`; each try counts the whole election, so
    that a good guess saves most of the work.
    """
    election = election.standing

    def wins(further: int) -> bool:
        ballots = election.ballots + (frozenset({candidate_id}),) * further
        return candidate_id in _winners(replace(election, ballots=ballots))

    enough = too_few = min(max(near, 1), most)
    step = 1
    if wins(enough):
        too_few = enough - 1
        while too_few > 0 and wins(too_few):
            step *= 2
            enough, too_few = too_few, max(too_few - step, 0)
    else:
        enough = min(too_few + step, most)
        while enough > too_few and not wins(enough):
            step *= 2
            too_few, enough = enough, min(enough + step, most)
        if enough == too_few:
            return None
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if wins(middle):
            enough = middle
        else:
            too_few = middle
    return enough


def guess(election: Election, loser: Candidate, missing: Fraction, share: Fraction) -> int:
    """About how many it lacks: who bring a share each, and carry it over Swiecie's floor."""
    for_its_cost = ceil(missing / share) if share else 1
    approvals, voters = election.approvals()[loser.id], election.voters
    short = loser.cost * voters - 3 * election.budget * approvals
    for_the_floor = -(-short // (3 * election.budget - loser.cost)) if election.floor else 0
    return max(for_its_cost, for_the_floor, 1)


def _winners(election: Election) -> list[str]:
    if election.rule == "greedy":
        return list(utilitarian(election))
    return queue(election).winners if election.rule == "phragmen" else decide(election).winners
