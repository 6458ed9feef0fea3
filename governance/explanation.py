"""A decision in words: who joined and at whose cost, who did not and why, and one's own part.

Reads what `governance.tally` stored; decides nothing. Money is in bytes of the budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from governance.models import Ballot, Candidate, Decision
from mosaic_site.display.words import mib, percent, tile_colour

MOST_NAMED = 12
"""Of the equals in a lot; all of them are in `decisions.json`."""


MOST_TILES = 24
"""In the picture of who joined."""


@dataclass(frozen=True)
class Amount:
    """An exact number of bytes, said in MiB."""

    exact: Fraction

    def __str__(self) -> str:
        return mib(round(self.exact))

    @property
    def precisely(self) -> str:
        whole = self.exact.denominator == 1
        return f"{self.exact.numerator:,} bytes" if whole else f"exactly {self.exact} bytes"


@dataclass(frozen=True)
class Joined:
    """A winner. The prices are what one supporter paid; None where the budget had room for all."""

    candidate: Candidate
    approvals: int
    place: int
    lowest: Amount | None
    highest: Amount | None
    rho: str

    @property
    def same_price(self) -> bool:
        return self.lowest == self.highest


@dataclass(frozen=True)
class LeftOut:
    candidate: Candidate
    approvals: int | None
    why: str
    held: Amount | None
    missing: Amount | None
    more: str


@dataclass(frozen=True)
class Draw:
    """A lot between exact equals; `decisive` if it chose who joined and who did not.

    Names come with their numbers on the ballot, so that anyone can draw the lot again.
    """

    among: str
    chosen: str
    decisive: bool


@dataclass(frozen=True)
class Served:
    """How many of some voters approved of at least one expert that joined."""

    served: int
    voters: int
    group: str = ""

    @property
    def share(self) -> float:
        return self.served / self.voters


@dataclass(frozen=True)
class Explanation:
    """`served` is None where nobody voted, `least_served` where no declared group is large enough.

    `waiting` are those who would come next if the budget grew, in order.
    """

    joined: list[Joined]
    left_out: list[LeftOut]
    draws: list[Draw]
    waiting: list[Candidate]
    served: Served | None
    least_served: Served | None
    budget: int
    spent: int
    voters: int
    share_initial: Amount
    share_final: Amount
    raised: str
    most_votes: list[Candidate]
    only_here: list[Candidate]
    only_by_most_votes: list[Candidate]
    tiles: list[dict[str, object]]

    @property
    def filled(self) -> list[Joined]:
        return [one for one in self.joined if one.lowest is None]


@dataclass(frozen=True)
class EarlierCount:
    """A tally that no longer stands, because a veto had the same ballots counted again."""

    number: int
    winners: list[Candidate]
    spent: int


@dataclass(frozen=True)
class MyShare:
    """One voter's part in a decision. `fraction` of their final share paid for `paid_for`."""

    empty: bool
    fraction: Fraction
    paid_for: list[Candidate]
    came_anyway: list[Candidate]
    did_not_join: list[Candidate]

    @property
    def percent(self) -> str:
        return percent(float(self.fraction))


def explain(decision: Decision, candidates: Sequence[Candidate]) -> Explanation:
    """Put a decision in words. `candidates` are the round's, with their experts."""
    result = decision.result
    by_id = {str(candidate.pk): candidate for candidate in candidates}
    joined = [_joined(winner, by_id) for winner in result["winners"]]
    most_votes = [by_id[name] for name in result["comparison"]]
    winners = [one.candidate for one in joined]
    initial, final = (Amount(Fraction(result["share"][key])) for key in ("initial", "final"))
    return Explanation(
        joined=joined,
        left_out=_left_out(decision, by_id),
        draws=[_draw(lot, by_id) for lot in result["lots"]],
        # Results from before there was a ballot box know neither.
        waiting=[by_id[name] for name in result.get("waiting_list", [])],
        served=_served(result.get("winners_approved", [])),
        least_served=_least_served(decision.groups),
        budget=result["budget"],
        spent=result["spent"],
        voters=result["voters"],
        share_initial=initial,
        share_final=final,
        raised=percent(float(final.exact / initial.exact - 1)) if initial != final else "",
        most_votes=most_votes,
        only_here=[one for one in winners if one not in most_votes],
        only_by_most_votes=[one for one in most_votes if one not in winners],
        tiles=_tiles(winners),
    )


def _tiles(winners: Sequence[Candidate]) -> list[dict[str, object]]:
    """Of the largest a tile each, and one of all the others."""
    by_size = sorted(winners, key=lambda one: -one.cost_bytes)
    tiles: list[dict[str, object]] = [
        {
            "label": one.expert.name,
            "weight": one.cost_bytes,
            "colour": tile_colour(one.expert.owner_id),
            "url": one.expert.get_absolute_url(),
            "detail": mib(one.cost_bytes),
        }
        for one in by_size[:MOST_TILES]
    ]
    if others := by_size[MOST_TILES:]:
        size = sum(one.cost_bytes for one in others)
        tiles.append({"label": f"{len(others)} more", "weight": size, "detail": mib(size)})
    return tiles


def earlier_counts(
    decisions: Sequence[Decision], candidates: Sequence[Candidate]
) -> list[EarlierCount]:
    """The tallies before the one that stands, the first one first."""
    by_id = {candidate.pk: candidate for candidate in candidates}
    return [
        EarlierCount(one.number, [by_id[pk] for pk in one.winner_ids], one.result["spent"])
        for one in decisions
        if not one.stands
    ]


def _served(winners_approved: Sequence[int]) -> Served | None:
    """Of all who voted, those with an empty ballot too."""
    voters = len(winners_approved)
    return Served(sum(map(bool, winners_approved)), voters) if voters else None


def _least_served(groups: Sequence[Mapping[str, Any]]) -> Served | None:
    """The declared group with the smallest share; of equals the first by name."""
    told = [Served(one["served"], one["voters"], one["group"]) for one in groups]
    return min(told, key=lambda one: (one.share, one.group), default=None)


def _joined(winner: Mapping[str, Any], by_id: Mapping[str, Candidate]) -> Joined:
    paid = winner["payments"]
    return Joined(
        candidate=by_id[winner["id"]],
        approvals=winner["approvals"],
        place=winner["round"],
        lowest=Amount(Fraction(paid["min"])) if paid else None,
        highest=Amount(Fraction(paid["max"])) if paid else None,
        rho=winner["rho"] or "",
    )


def _left_out(decision: Decision, by_id: Mapping[str, Candidate]) -> list[LeftOut]:
    result = decision.result
    left_out = [_loser(loser, by_id[loser["id"]], decision) for loser in result["losers"]]
    return left_out + [
        LeftOut(by_id[str(one["candidate"])], None, one["why"], None, None, "")
        for one in decision.without
    ]


def _loser(loser: Mapping[str, Any], candidate: Candidate, decision: Decision) -> LeftOut:
    held, missing = (Amount(Fraction(loser[key])) for key in ("remaining", "missing"))
    could_not_pay = loser["reason"] == "supporters_could_not_pay"
    return LeftOut(
        candidate=candidate,
        approvals=loser["approvals"],
        why=_reason(loser, held, decision.result),
        held=held if could_not_pay else None,
        missing=missing if could_not_pay else None,
        more=_more(loser, decision),
    )


def _more(loser: Mapping[str, Any], decision: Decision) -> str:
    if loser["id"] in decision.to_ask:
        return "How many more supporters would have been enough is being counted; look again later."
    if loser["cost"] > decision.result["budget"]:
        return ""
    # Results from before large elections were asked too have what they have.
    earlier = loser["more_supporters_needed"]
    more = decision.more_supporters.get(loser["id"], earlier)
    if more:
        return f"{more} more {'supporter' if more == 1 else 'supporters'} would have been enough."
    if loser["id"] in decision.more_supporters:
        voters = decision.result["voters"]
        return f"No number of further supporters up to {voters} was found to be enough."
    return ""


def _reason(loser: Mapping[str, Any], held: Amount, result: Mapping[str, Any]) -> str:
    cost, budget, voters = loser["cost"], result["budget"], result["voters"]
    match loser["reason"]:
        case "no_approval":
            return "Nobody approved of it."
        case "below_floor":
            # Swiecie's floor: approvals / voters >= cost / (3 x budget), rounded up to whole voters
            least = -(-cost * voters // (3 * budget))
            return (
                f"An expert that weighs {mib(cost)} of {mib(budget)} needs at least {least} of "
                f"{voters} voters; {loser['approvals']} approved of it."
            )
        case "supporters_could_not_pay":
            return (
                f"Its supporters together had {held} of their shares left, and it costs "
                f"{mib(cost)}."
            )
        case _ if cost > budget:
            return f"It costs {mib(cost)}, more than the whole budget."
        case _:
            return "Experts with more approvals took the room that was left in the budget."


def _draw(lot: Mapping[str, Any], by_id: Mapping[str, Candidate]) -> Draw:
    def names(ids: Sequence[str]) -> str:
        named = [f"{by_id[name].expert.name} (number {name})" for name in ids[:MOST_NAMED]]
        more = len(ids) - MOST_NAMED
        return ", ".join(named) + (f" and {more} more" if more > 0 else "")

    return Draw(names(lot["among"]), names(lot["chosen"]), lot["decisive"])


def my_share(
    decision: Decision, ballot: Ballot | None, candidates: Sequence[Candidate]
) -> MyShare | None:
    """What became of a voter's share, by their own ballot; None without one."""
    if ballot is None:
        return None
    bought = {int(one["id"]) for one in decision.result["winners"] if one["payments"]}
    filled = {int(one["id"]) for one in decision.result["winners"]} - bought
    # Ballots are counted in the order of their receipts.
    index = decision.round.ballots.filter(receipt__lt=ballot.receipt).count()
    mine = [candidate for candidate in candidates if candidate.pk in ballot.approvals]
    return MyShare(
        empty=not mine,
        fraction=Fraction(decision.result["spent_fractions"][index]),
        paid_for=[candidate for candidate in mine if candidate.pk in bought],
        came_anyway=[candidate for candidate in mine if candidate.pk in filled],
        did_not_join=[candidate for candidate in mine if candidate.pk not in bought | filled],
    )
