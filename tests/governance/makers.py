"""Typed makers of what members propose and say, through the actions."""

import itertools

from governance import actions
from governance.models import Comment, Proposal
from mosaic_site.members.models import User

_numbers = itertools.count(1)


def make_proposal(author: User, *, title: str = "", text: str = "Because it helps.") -> Proposal:
    """A yes/no question."""
    return actions.proposal_make(
        author=author,
        kind=Proposal.Kind.QUESTION,
        expert=None,
        title=title or f"Shall we do thing {next(_numbers)}?",
        text=text,
        threshold="1/2",
    )


def make_comment(author: User, proposal: Proposal, *, text: str = "I agree.") -> Comment:
    return actions.comment_add(author=author, proposal=proposal, text=text)
