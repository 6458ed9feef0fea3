"""Counting approval ballots, exactly: the Method of Equal Shares. Imports no Django.

`python -m governance.tally election.json` prints the winners, one a line.
"""

from governance.tally.election import Candidate, Election
from governance.tally.greedy import utilitarian
from governance.tally.method import equal_shares
from governance.tally.needed import supporters_needed
from governance.tally.result import Loser, Lot, Result, Winner

__all__ = [
    "Candidate",
    "Election",
    "Loser",
    "Lot",
    "Result",
    "Winner",
    "equal_shares",
    "supporters_needed",
    "utilitarian",
]
