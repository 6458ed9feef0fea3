"""The outcome of an election with everything that is needed to explain it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Phase = Literal["equal_shares", "fill"]
Reason = Literal["no_approval", "below_floor", "supporters_could_not_pay", "does_not_fit"]


@dataclass(frozen=True)
class Winner:
    """An admitted expert. `payments` is what each supporter paid, by ballot index.

    In the fill nobody pays: the expert is admitted because the budget has room, so `rho` (the
    price per unit of utility) is None and `payments` is empty. `round` counts purchases from 1.
    """

    id: str
    cost: int
    approvals: int
    phase: Phase
    round: int
    rho: Fraction | None
    payments: dict[int, Fraction]

    def to_dict(self) -> dict[str, Any]:
        paid = self.payments.values()
        return {
            "id": self.id,
            "cost": self.cost,
            "approvals": self.approvals,
            "phase": self.phase,
            "round": self.round,
            "rho": None if self.rho is None else str(self.rho),
            "payments": {
                "min": str(min(paid)),
                "max": str(max(paid)),
                "mean": str(Fraction(self.cost, self.approvals)),
            }
            if paid
            else None,
        }


@dataclass(frozen=True)
class Loser:
    """An expert that was not admitted, and why.

    - no_approval, below_floor: it could not be considered;
    - does_not_fit: it costs more than the budget, or there was room for it after equal shares,
      but others with more approvals filled it;
    - supporters_could_not_pay: its supporters' shares went to other experts they approve of, or
      were too few.

    `remaining` is what its supporters together still held at the final share, `missing` what they
    lacked for the cost. `more_supporters_needed` is a number of further voters, approving of this
    expert alone, with whom it would have won; None if no such number was found or looked for.
    """

    id: str
    cost: int
    approvals: int
    reason: Reason
    remaining: Fraction
    missing: Fraction
    more_supporters_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "cost": self.cost,
            "approvals": self.approvals,
            "reason": self.reason,
            "remaining": str(self.remaining),
            "missing": str(self.missing),
            "more_supporters_needed": self.more_supporters_needed,
        }


@dataclass(frozen=True)
class Lot:
    """A lot that was drawn; `decisive` if it chose who is admitted and who is not."""

    phase: Phase
    round: int
    among: tuple[str, ...]
    chosen: tuple[str, ...]
    decisive: bool

    def to_dict(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "round": self.round,
            "among": list(self.among),
            "chosen": list(self.chosen),
            "decisive": self.decisive,
        }


@dataclass(frozen=True)
class Result:
    """Winners in the order of their admission; money in the unit of the costs.

    `spent_fractions` says for each ballot, by index, which part of its final share was spent.
    `comparison` is the greedy utilitarian result for the same ballots.
    """

    winners: tuple[Winner, ...]
    losers: tuple[Loser, ...]
    lots: tuple[Lot, ...]
    budget: int
    spent: int
    voters: int
    share_initial: Fraction
    share_final: Fraction
    spent_fractions: tuple[Fraction, ...]
    comparison: tuple[str, ...]

    @property
    def winner_ids(self) -> tuple[str, ...]:
        return tuple(winner.id for winner in self.winners)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; fractions are strings 'p/q' (or 'p')."""
        return {
            "winners": [winner.to_dict() for winner in self.winners],
            "losers": [loser.to_dict() for loser in self.losers],
            "lots": [lot.to_dict() for lot in self.lots],
            "lot_decided": any(lot.decisive for lot in self.lots),
            "budget": self.budget,
            "spent": self.spent,
            "voters": self.voters,
            "share": {"initial": str(self.share_initial), "final": str(self.share_final)},
            "spent_fractions": [str(fraction) for fraction in self.spent_fractions],
            "comparison": list(self.comparison),
        }
