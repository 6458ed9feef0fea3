"""Elections small enough to be worked out by hand."""

from fractions import Fraction

import pytest

from governance.tally import Candidate, Election, equal_shares, supporters_needed, utilitarian


def election(
    costs: dict[str, int],
    ballots: dict[str, int],
    budget: int,
    seed: str = "seed",
    *,
    floor: bool = False,
) -> Election:
    """`ballots` maps approvals, written as 'ab', to how many voters cast them."""
    return Election(
        candidates=tuple(Candidate(name, cost) for name, cost in costs.items()),
        ballots=tuple(frozenset(ballot) for ballot, count in ballots.items() for _ in range(count)),
        budget=budget,
        seed=seed,
        floor=floor,
    )


def test_a_minority_gets_its_share() -> None:
    """Six voters want a, b, c; three want d. Greedy gives the majority all, equal shares do not.

    Share: 30/9 = 10/3. The six buy a and b (10/6 each) and have spent all; the three buy d.
    """
    case = election(dict.fromkeys("abcd", 10), {"abc": 6, "d": 3}, 30)
    result = equal_shares(case)
    assert set(result.comparison) == set("abc")
    assert utilitarian(case) == result.comparison
    assert "d" in result.winner_ids
    assert len(result.winners) == 3
    assert [winner.rho for winner in result.winners] == [
        Fraction(1, 6), Fraction(1, 6), Fraction(1, 3)]  # fmt: skip
    assert result.winners[0].to_dict()["payments"] == {"min": "5/3", "max": "5/3", "mean": "5/3"}
    assert result.share_initial == result.share_final == Fraction(10, 3)
    assert set(result.spent_fractions) == {Fraction(1)}
    (loser,) = result.losers
    assert loser.reason == "supporters_could_not_pay"
    assert (loser.remaining, loser.missing) == (Fraction(0), Fraction(10))


def test_larger_shares_buy_what_still_fits() -> None:
    """Share 6. Both pay 2 for a and 5/2 for b and have 3/2 left; d, wanted by one, costs 3.

    It fits, so shares rise until that voter has 3 left: at 15/2.
    """
    result = equal_shares(election({"a": 4, "b": 5, "d": 3}, {"ab": 1, "abd": 1}, 12))
    assert [(winner.id, winner.rho) for winner in result.winners] == [
        ("a", Fraction(1, 2)), ("b", Fraction(1, 2)), ("d", Fraction(1))]  # fmt: skip
    assert [winner.payments[1] for winner in result.winners] == [2, Fraction(5, 2), 3]
    assert result.share_final == Fraction(15, 2)
    assert result.spent_fractions == (Fraction(3, 5), Fraction(1))


def test_who_has_less_left_pays_less() -> None:
    """Share 4. Both rho are 1/2; b, the cheaper, comes first and takes 2 from its two voters.

    For a (6) the voter of both has only 2 left, so the other one pays 4: rho is 4/6.
    """
    b, a = equal_shares(election({"a": 6, "b": 4}, {"a": 1, "ab": 1, "b": 1}, 12)).winners
    assert (b.id, b.rho) == ("b", Fraction(1, 2))
    assert b.payments == {1: Fraction(2), 2: Fraction(2)}
    assert (a.id, a.rho) == ("a", Fraction(2, 3))
    assert a.payments == {0: Fraction(4), 1: Fraction(2)}


@pytest.mark.parametrize(
    ("floor", "winners"), [(False, ["a", "b"]), (True, ["a"])], ids=["no floor", "floor"]
)
def test_the_floor(floor: bool, winners: list[str]) -> None:
    """b: 1 of 8 approvals, but its cost asks for 10/(3 x 20) = 1/6 of the voters."""
    result = equal_shares(election({"a": 10, "b": 10}, {"a": 7, "b": 1}, 20, floor=floor))
    assert list(result.winner_ids) == winners
    if floor:
        (loser,) = result.losers
        assert loser.reason == "below_floor"
        # With one more there are 9 voters and 2/9 >= 1/6.
        assert loser.more_supporters_needed == 1


def test_exactly_on_the_floor_is_enough() -> None:
    result = equal_shares(election({"a": 6, "b": 10}, {"a": 5, "b": 1}, 20, floor=True))
    assert result.winner_ids == ("a", "b")


def test_losers_have_a_reason() -> None:
    result = equal_shares(election({"a": 10, "b": 10, "z": 1}, {"a": 3, "b": 2}, 10))
    assert result.winner_ids == ("a",)
    b, z = result.losers
    assert (b.reason, z.reason) == ("supporters_could_not_pay", "no_approval")
    assert result.winners[0].phase == "equal_shares"


def test_the_fill_when_two_become_affordable_at_once() -> None:
    """Share 5; a and b (10 each, one supporter each) both become affordable at 200 %: too much."""
    result = equal_shares(election({"a": 10, "b": 10}, {"a": 1, "b": 1}, 10))
    (winner,), (lot,), (loser,) = result.winners, result.lots, result.losers
    assert (winner.phase, winner.rho, winner.payments) == ("fill", None, {})
    assert result.share_final == 5 * Fraction(199, 100)
    assert result.spent_fractions == (Fraction(0), Fraction(0))
    assert (lot.phase, set(lot.among), lot.chosen, lot.decisive) == (
        "fill", {"a", "b"}, (winner.id,), True)  # fmt: skip
    assert loser.reason == "does_not_fit"
    assert (loser.remaining, loser.missing) == (Fraction(199, 20), Fraction(1, 20))


def test_the_lot_depends_on_the_seed_alone() -> None:
    cases = [election({"a": 10, "b": 10}, {"ab": 4}, 10, seed) for seed in map(str, range(20))]
    results = [equal_shares(case) for case in cases]
    assert {result.winner_ids for result in results} == {("a",), ("b",)}
    for case, result in zip(cases, results, strict=True):
        assert result.winner_ids == (min("ab", key=case.lot),)
        assert result.to_dict()["lot_decided"] is True


def test_a_lot_that_changes_only_the_order_decides_nothing() -> None:
    result = equal_shares(election({"a": 5, "b": 5}, {"ab": 4}, 10))
    assert set(result.winner_ids) == {"a", "b"}
    assert [(lot.round, lot.decisive) for lot in result.lots] == [(1, False)]


def test_ties_prefer_lower_cost_before_the_lot() -> None:
    for seed in map(str, range(10)):
        result = equal_shares(election({"a": 6, "b": 5}, {"ab": 4}, 10, seed))
        assert result.winner_ids == ("b",)
        assert result.lots == ()


def test_what_costs_more_than_the_budget_does_not_fit() -> None:
    result = equal_shares(election({"a": 11, "b": 1}, {"ab": 3}, 10))
    assert result.winner_ids == ("b",)
    assert (result.losers[0].reason, result.losers[0].more_supporters_needed) == (
        "does_not_fit", None)  # fmt: skip


def test_nobody_voted() -> None:
    result = equal_shares(election({"a": 5}, {"": 3}, 10))
    assert result.winners == ()
    assert result.spent_fractions == (Fraction(0),) * 3
    assert (result.losers[0].reason, result.losers[0].more_supporters_needed) == ("no_approval", 1)


def test_supporters_needed() -> None:
    """Against the 7 of a, b needs 8, or 7 and a lucky lot."""
    for seed in map(str, range(10)):
        case = election({"a": 10, "b": 10}, {"a": 7}, 10, seed)
        lucky = case.lot("b") < case.lot("a")
        assert supporters_needed(case, "b", most=8) == (7 if lucky else 8)
        assert supporters_needed(case, "b", most=7) == (7 if lucky else None)
        assert supporters_needed(case, "b", most=6) is None


def test_one_voter_with_many_wishes_of_their_own_is_decided_at_once() -> None:
    """From 40 to 2,000 it is 4,900 steps of 1 %; most of them buy the same and are skipped."""
    common = dict.fromkeys("abcdefghij", 1_000)
    own = dict.fromkeys("ABCDEFGHIJ", 200)
    case = election(common | own, {"abcdefghij": 299, "ABCDEFGHIJ": 1}, 12_000)
    result = equal_shares(case)
    assert set(result.winner_ids) == set(common | own)
    assert result.share_final == 2_000


@pytest.mark.parametrize(
    "change",
    [
        {"budget": 0},
        {"budget": 1.5},
        {"candidates": [{"id": "a", "cost": 0}]},
        {"candidates": [{"id": "a", "cost": 2.0}]},
        {"candidates": [{"id": "a", "cost": True}]},
        {"candidates": [{"id": "a", "cost": 1}, {"id": "a", "cost": 2}]},
        {"ballots": [["b"]]},
    ],
)
def test_an_election_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    good = election({"a": 1}, {"a": 1}, 5).to_dict()
    assert Election.from_dict(good).budget == 5
    with pytest.raises(ValueError, match=r"positive integers|same id|unknown"):
        Election.from_dict(good | change)
