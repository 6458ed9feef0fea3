"""Counting ballots, exactly: the Method of Equal Shares and other rules. Imports no Django.

`python -m governance.tally FILE` prints the winners of a `.json` or `.pb` file, one a line.
"""

from governance.tally.canonical import (
    count,
    election_from_dict,
    election_from_json,
    election_to_json,
    read,
    tally,
)
from governance.tally.election import Candidate, Election
from governance.tally.errors import BadElection
from governance.tally.greedy import utilitarian
from governance.tally.needed import supporters_needed
from governance.tally.phragmen import waiting_list
from governance.tally.result import Loser, Lot, Result, Winner
from governance.tally.rules import (
    asks_at_once,
    equal_shares,
    greedy,
    more_supporters,
    phragmen,
)
from governance.tally.yes_no import Answer, Question, yes_no

__all__ = [
    "Answer",
    "BadElection",
    "Candidate",
    "Election",
    "Loser",
    "Lot",
    "Question",
    "Result",
    "Winner",
    "asks_at_once",
    "count",
    "election_from_dict",
    "election_from_json",
    "election_to_json",
    "equal_shares",
    "greedy",
    "more_supporters",
    "phragmen",
    "read",
    "supporters_needed",
    "tally",
    "utilitarian",
    "waiting_list",
    "yes_no",
]
