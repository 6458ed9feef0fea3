"""How many more supporters would have carried an expert."""

from dataclasses import replace

from governance.tally.decide import decide
from governance.tally.election import Election
from governance.tally.greedy import utilitarian
from governance.tally.phragmen import queue


def supporters_needed(election: Election, candidate_id: str, most: int) -> int | None:
    """A number of further ballots, approving of this expert alone, with which it wins; or None.

    The number is exact in that the election was repeated with it and won. It is found by doubling
    up to `most` and halving back, so a smaller one can exist where the rule is not monotone.
    """
    election = election.standing

    def wins(further: int) -> bool:
        ballots = election.ballots + (frozenset({candidate_id}),) * further
        return candidate_id in _winners(replace(election, ballots=ballots))

    enough = 1
    while not wins(enough):
        if enough == most:
            return None
        enough = min(2 * enough, most)
    too_few = enough // 2
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        if wins(middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _winners(election: Election) -> list[str]:
    if election.rule == "greedy":
        return list(utilitarian(election))
    return queue(election).winners if election.rule == "phragmen" else decide(election).winners
