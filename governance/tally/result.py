"""The outcome of an election with everything that is needed to explain it."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

Phase = Literal["equal_shares", "fill", "phragmen"]
Reason = Literal["no_approval", "below_floor", "supporters_could_not_pay", "does_not_fit"]


@dataclass(frozen=True)
class Winner:
    """An admitted expert. `payments` is what each supporter paid, by ballot index.

    In the fill (and under the greedy rule) nobody pays: the expert is admitted because the budget
    has room, so `rho` (the price per unit of utility) is None and `payments` is empty. Under
    Phragmen's rule there is no rho either, and the supporters pay all they hold. `round` counts
    admissions from 1.
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
    - does_not_fit: it costs more than the budget, or than others had left of it at its turn;
    - supporters_could_not_pay: its supporters' shares went to other experts they approve of, or
      were too few. Under Phragmen's rule: or they had not earned its cost when the rule ended.

    `remaining` is what its supporters together still held in the end, `missing` what they lacked
    for the cost (money plays no part in the greedy rule: 0, and the cost).
    `more_supporters_needed` is a number of further voters, approving of this expert alone, with
    whom it would have won; None if no such number was found or looked for.
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
    """A lot that was drawn; `decisive` if it chose who is admitted and who is not.

    Otherwise it chose their order alone.
    """

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

    A share is the money of one voter: under equal shares, what everybody held at first and at the
    final, raised share; under Phragmen's rule, what everybody had earned when it ended; under the
    greedy rule, where nobody pays, budget/voters.
    By ballot, in the order of the ballots: `spent_fractions`, which part of the final share was
    spent, and `winners_approved`, how many winners the ballot approves of.
    `comparison` is the greedy utilitarian result for the same ballots, `waiting_list` who would
    come next (see `waiting_list`).
    """

    rule: str
    winners: tuple[Winner, ...]
    losers: tuple[Loser, ...]
    lots: tuple[Lot, ...]
    budget: int
    spent: int
    voters: int
    share_initial: Fraction
    share_final: Fraction
    spent_fractions: tuple[Fraction, ...]
    winners_approved: tuple[int, ...]
    comparison: tuple[str, ...]
    waiting_list: tuple[str, ...]

    @property
    def winner_ids(self) -> tuple[str, ...]:
        return tuple(winner.id for winner in self.winners)

    @property
    def voters_with_a_winner(self) -> int:
        return sum(1 for approved in self.winners_approved if approved)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; fractions are strings 'p/q' (or 'p')."""
        return {
            "rule": self.rule,
            "winners": [winner.to_dict() for winner in self.winners],
            "losers": [loser.to_dict() for loser in self.losers],
            "lots": [lot.to_dict() for lot in self.lots],
            "lot_decided": any(lot.decisive for lot in self.lots),
            "budget": self.budget,
            "spent": self.spent,
            "voters": self.voters,
            "voters_with_a_winner": self.voters_with_a_winner,
            "share": {"initial": str(self.share_initial), "final": str(self.share_final)},
            "spent_fractions": [str(fraction) for fraction in self.spent_fractions],
            "winners_approved": list(self.winners_approved),
            "comparison": list(self.comparison),
            "waiting_list": list(self.waiting_list),
        }
