"""The other rules, the waiting list, who is left out, and laws that do not hold: by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest

from governance.tally import (
    Candidate,
    Election,
    Question,
    equal_shares,
    greedy,
    phragmen,
    tally,
    waiting_list,
    yes_no,
)


def election(costs: dict[str, int], ballots: str, budget: int) -> Election:
    """`ballots` are written as 'ab b c'; no floor."""
    return Election(
        candidates=tuple(Candidate(name, cost) for name, cost in costs.items()),
        ballots=tuple(frozenset(ballot) for ballot in ballots.split()),
        budget=budget,
        seed="seed",
        floor=False,
    )


def test_phragmen_serves_whoever_has_waited_longest() -> None:
    """Costs 6. Three voters hold 6 for a at 2; the one of c at 6. For b, two hold 0 at 2 and one
    has earned since 0: (6 + 2 + 2 + 0)/3. For d, one of a's: 6 + 2. That is more than is left.
    """
    case = election(dict.fromkeys("abcd", 6), "ab ab ad b c", 18)
    result = phragmen(case)
    assert result.winner_ids == ("a", "b", "c")
    assert [winner.payments for winner in result.winners] == [
        {0: 2, 1: 2, 2: 2},
        {0: Fraction(4, 3), 1: Fraction(4, 3), 3: Fraction(10, 3)},
        {4: 6},
    ]
    assert result.share_final == 8
    assert result.spent_fractions == (
        *[Fraction(10, 24)] * 2,
        Fraction(1, 4),
        *result.spent_fractions[3:],
    )
    (d,) = result.losers
    assert d.reason == "does_not_fit"
    assert d.remaining == 6
    assert d.missing == 0
    assert result.waiting_list == ("d",)
    assert result.to_dict()["voters_with_a_winner"] == 5


def test_the_first_that_does_not_fit_ends_phragmen() -> None:
    """a at 1, b at 5/2, which is too much; c would fit, but its turn comes at 4."""
    result = phragmen(election({"a": 2, "b": 5, "c": 4}, "a a b b c", 6))
    assert result.winner_ids == ("a",)
    assert {loser.id: (loser.reason, loser.missing) for loser in result.losers} == {
        "b": ("does_not_fit", 0),
        "c": ("supporters_could_not_pay", Fraction(3, 2)),
    }
    assert result.waiting_list == ("b", "c")


def test_the_waiting_list_begins_with_those_who_have_nothing_yet() -> None:
    """b has more supporters than c, but a was theirs already: (4 + 3 x 4/3)/3 against 4/2."""
    case = election(dict.fromkeys("abcz", 4), "ab ab ab c c", 4)
    assert equal_shares(case).winner_ids == greedy(case).winner_ids == ("a",)
    assert waiting_list(case, {"a"}) == ("c", "b")
    assert waiting_list(case, ()) == ("a", "c", "b") or waiting_list(case, ()) == ("b", "c", "a")
    assert equal_shares(case).waiting_list == greedy(case).waiting_list == ("c", "b")


def test_the_clock_of_the_waiting_list_does_not_run_back() -> None:
    """a, the winner, is bought at 9, when the supporters of d could have paid since 1. They are
    set to 0 at 9, not at 1: so b is due at 11, c at 12, and e goes before them, at 19/2.
    """
    case = election({"a": 9, "b": 2, "c": 3, "d": 2, "e": 19}, "a bd cd e e", 20)
    assert waiting_list(case, {"a"}) == ("d", "e", "b", "c")


@pytest.mark.parametrize("rule", ["equal-shares", "greedy", "phragmen"])
def test_those_without_are_struck_before_anything_is_counted(rule: str) -> None:
    case = replace(election({"a": 4, "b": 4, "c": 4}, "a ab ab bc", 8), rule=rule, floor=True)
    struck = replace(case, without=frozenset("a"))
    plain = replace(
        case, candidates=case.candidates[1:], ballots=tuple(b - {"a"} for b in case.ballots)
    )
    assert (struck.voters, case.voters) == (3, 4)
    assert struck.approvals() == {"b": 3, "c": 1}
    result = tally(struck).to_dict()
    assert result == tally(plain).to_dict()
    assert result["rule"] == rule
    assert [winner["id"] for winner in result["winners"]] == ["b", "c"]
    assert result["winners_approved"] == [0, 1, 1, 2]
    assert set(tally(case).winner_ids) != {"b", "c"}


@pytest.mark.parametrize(
    ("ballots", "passed"),
    [
        ("yes yes no", True),
        ("yes yes no no", False),  # not more than one half
        ("yes yes", False),  # no quorum
        ("yes abstain abstain", True),  # abstentions count for the quorum alone
        ("abstain abstain abstain", False),
        ("", False),
    ],
)
def test_a_question_passes_with_more_than_its_threshold(ballots: str, passed: bool) -> None:
    answer = yes_no(Question(tuple(ballots.split()), Fraction(1, 2), quorum=3))
    assert answer.passed == passed
    assert answer.winner_ids == (("yes",) if passed else ("no",))
    assert answer.to_dict()["winners"] == [{"id": "yes" if passed else "no"}]


def test_a_question_without_a_quorum_needs_a_yes() -> None:
    assert not yes_no(Question((), Fraction(0), quorum=0)).passed
    assert yes_no(Question(("yes",), Fraction(0), quorum=0)).passed
    assert not yes_no(Question(("yes",), Fraction(1), quorum=0)).passed


class TestWhatDoesNotHold:
    """Laws one would wish for, and the elections that break them."""

    def test_a_larger_budget_can_cost_an_equal_shares_winner_its_place(self) -> None:
        case = election({"a": 2, "b": 4}, "b ab", 3)
        assert equal_shares(case).winner_ids == ("a",)
        assert equal_shares(replace(case, budget=4)).winner_ids == ("b",)

    def test_with_completion_an_extra_approval_can_hurt(self) -> None:
        costs = {"a": 1, "b": 3, "c": 5, "d": 2}
        assert "d" in equal_shares(election(costs, "ab bc bc cd bcd", 9)).winner_ids
        assert "d" not in equal_shares(election(costs, "abd bc bc cd bcd", 9)).winner_ids

    def test_with_completion_a_lower_cost_can_hurt(self) -> None:
        dear, cheap = {"a": 2, "b": 6, "c": 5}, {"a": 1, "b": 6, "c": 5}
        assert equal_shares(election(dear, "abc c b ab", 6)).winner_ids == ("a",)
        assert equal_shares(election(cheap, "abc c b ab", 6)).winner_ids == ("b",)

    def test_removing_a_loser_can_change_the_winners(self) -> None:
        case = election({"a": 2, "b": 5, "c": 2}, "b bc ac b", 6)
        assert equal_shares(case).winner_ids == ("b",)
        assert equal_shares(replace(case, without=frozenset("a"))).winner_ids == ("c",)
