from governance.models.ballot import Ballot, BoxEntry, BoxHead
from governance.models.decision import Decision, Veto
from governance.models.proposal import (
    Comment,
    CommentReport,
    Endorsement,
    Proposal,
    ProposalVersion,
    ThreadMute,
)
from governance.models.round import Candidate, Elector, Question, Round
from governance.models.slate import Slate
from governance.models.support import PriorityVote

__all__ = [
    "Ballot",
    "BoxEntry",
    "BoxHead",
    "Candidate",
    "Comment",
    "CommentReport",
    "Decision",
    "Elector",
    "Endorsement",
    "PriorityVote",
    "Proposal",
    "ProposalVersion",
    "Question",
    "Round",
    "Slate",
    "ThreadMute",
    "Veto",
]
