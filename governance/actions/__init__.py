"""Every verb that changes how people decide. Nothing else writes these tables."""

from governance.actions.rounds import (
    ballot_cast,
    reconcile,
    round_close,
    round_open,
    round_ratify,
    round_veto,
)

__all__ = [
    "ballot_cast",
    "reconcile",
    "round_close",
    "round_open",
    "round_ratify",
    "round_veto",
]
