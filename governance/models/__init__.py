from governance.models.ballot import Ballot, BoxEntry, BoxHead
from governance.models.decision import Decision, Veto
from governance.models.moderation import Report
from governance.models.proposal import (
    Comment,
    Endorsement,
    Proposal,
    ProposalVersion,
    ThreadMute,
)
from governance.models.round import Candidate, Elector, Question, Round
from governance.models.slate import Slate
from governance.models.support import PriorityVote

Thing = Comment | Proposal | Slate
"""What can be reported."""

__all__ = [
    "Ballot",
    "BoxEntry",
    "BoxHead",
    "Candidate",
    "Comment",
    "Decision",
    "Elector",
    "Endorsement",
    "PriorityVote",
    "Proposal",
    "ProposalVersion",
    "Question",
    "Report",
    "Round",
    "Slate",
    "Thing",
    "ThreadMute",
    "Veto",
]
