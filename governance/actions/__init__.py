"""Every verb that changes how people decide. Nothing else writes these tables."""

from governance.actions.box import ballot_cast, receipt_mail
from governance.actions.comments import (
    comment_add,
    comment_remove,
    thread_mute,
)
from governance.actions.counting import losers_explain
from governance.actions.moderation import report_answer, report_make
from governance.actions.priorities import priorities_merge, priority_vote
from governance.actions.proposals import (
    endorse,
    endorsement_withdraw,
    proposal_edit,
    proposal_make,
    proposal_withdraw,
)
from governance.actions.rounds import (
    reconcile,
    round_advance,
    round_cancel,
    round_change,
    round_open,
    round_schedule,
)
from governance.actions.settling import round_ratify, veto_move, veto_second, veto_withdraw
from governance.actions.slates import slate_publish, slate_take_back

__all__ = [
    "ballot_cast",
    "comment_add",
    "comment_remove",
    "endorse",
    "endorsement_withdraw",
    "losers_explain",
    "priorities_merge",
    "priority_vote",
    "proposal_edit",
    "proposal_make",
    "proposal_withdraw",
    "receipt_mail",
    "reconcile",
    "report_answer",
    "report_make",
    "round_advance",
    "round_cancel",
    "round_change",
    "round_open",
    "round_ratify",
    "round_schedule",
    "slate_publish",
    "slate_take_back",
    "thread_mute",
    "veto_move",
    "veto_second",
    "veto_withdraw",
]
