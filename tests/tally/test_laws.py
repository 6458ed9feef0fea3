"""Laws of the rules, and plain second implementations to compare with."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.tally import (
    Candidate,
    Election,
    Result,
    equal_shares,
    greedy,
    more_supporters,
    phragmen,
    supporters_needed,
    tally,
    utilitarian,
    waiting_list,
)
from governance.tally.decide import decide
from governance.tally.election import RULES
from governance.tally.shares import Electorate, spend

rules = st.sampled_from(RULES)
relaxed = settings(deadline=None)  # how long an example takes is no law


@st.composite
def elections(
    draw: st.DrawFn, most_candidates: int = 6, least_ballots: int = 0, most_ballots: int = 7
) -> Election:
    costs = draw(st.lists(st.integers(1, 12), min_size=1, max_size=most_candidates))
    names = [f"expert {number}" for number in range(len(costs))]
    ballots = draw(
        st.lists(
            st.frozensets(st.sampled_from(names)), min_size=least_ballots, max_size=most_ballots
        )
    )
    return Election(
        candidates=tuple(Candidate(name, cost) for name, cost in zip(names, costs, strict=True)),
        ballots=tuple(ballots),
        budget=draw(st.integers(1, 30)),
        seed=draw(st.text(max_size=3)),
        floor=draw(st.booleans()),
    )


def base(election: Election) -> list[str]:
    """Equal shares without completion and fill."""
    share = Fraction(election.budget, max(election.voters, 1))
    return spend(Electorate(election), share).winners


def scaled(election: Election, factor: int) -> Election:
    return replace(
        election,
        candidates=tuple(Candidate(c.id, c.cost * factor) for c in election.candidates),
        budget=election.budget * factor,
    )


def plain_winners(election: Election) -> list[str]:
    """The rule as one would write it down: every step, every voter, every candidate."""
    ballots = [ballot for ballot in election.ballots if ballot]
    supporters = {
        c.id: [i for i, ballot in enumerate(ballots) if c.id in ballot] for c in election.candidates
    }
    cost = {c.id: c.cost for c in election.candidates}

    def tie_break(name: str) -> tuple[int, int, str]:
        lot = hashlib.sha256(f"{election.seed}{name}".encode()).hexdigest()
        return (cost[name], -len(supporters[name]), lot)

    eligible = [
        name
        for name, group in supporters.items()
        if group
        and cost[name] <= election.budget
        and (
            not election.floor
            or Fraction(len(group), len(ballots)) >= Fraction(cost[name], 3 * election.budget)
        )
    ]

    def at_share(share: Fraction) -> list[str]:
        money = [share] * len(ballots)
        bought: list[str] = []
        while True:
            offers = []
            for name in eligible:
                group = supporters[name]
                if name in bought or sum(money[i] for i in group) < cost[name]:
                    continue
                owed = Fraction(cost[name])
                purses = sorted(money[i] for i in group)
                while purses[0] * len(purses) < owed:
                    owed -= purses.pop(0)
                offers.append((owed / len(purses) / cost[name], tie_break(name), name))
            if not offers:
                return bought
            rho, _, name = min(offers)
            bought.append(name)
            for i in supporters[name]:
                money[i] -= min(money[i], rho * cost[name])

    def total(names: Sequence[str]) -> int:
        return sum(cost[name] for name in names)

    def fits(name: str, names: Sequence[str]) -> bool:
        return name not in names and total(names) + cost[name] <= election.budget

    if not ballots:
        return []
    percent = 100
    winners = at_share(Fraction(election.budget, len(ballots)))
    while any(fits(name, winners) for name in eligible):
        percent += 1
        larger = at_share(Fraction(election.budget, len(ballots)) * percent / 100)
        if total(larger) > election.budget:
            break
        winners = larger
    for name in sorted(eligible, key=lambda n: (-len(supporters[n]), tie_break(n))):
        if fits(name, winners):
            winners.append(name)
    return winners


def plain_phragmen(election: Election, *lines: Sequence[str]) -> list[str]:
    """Everybody's turn, line by line: purses that fill up until somebody can be paid."""
    cost = {c.id: c.cost for c in election.candidates}
    supporters = {
        c.id: [i for i, ballot in enumerate(election.ballots) if c.id in ballot]
        for c in election.candidates
    }
    money = [Fraction(0)] * len(election.ballots)
    bought: list[str] = []
    for line in lines:
        waiting = [name for name in line if supporters[name]]
        while waiting:
            wait = {
                n: (cost[n] - sum((money[i] for i in supporters[n]), Fraction(0)))
                / len(supporters[n])
                for n in waiting
            }
            name = min(
                waiting,
                key=lambda n: (wait[n], cost[n], -len(supporters[n]), election.lot(n)),
            )
            money = [purse + max(wait[name], Fraction(0)) for purse in money]
            for i in supporters[name]:
                money[i] = Fraction(0)
            waiting.remove(name)
            bought.append(name)
    return bought


@settings(relaxed, max_examples=200)
@given(elections(), st.data())
def test_the_plain_twin_of_phragmen_agrees(election: Election, data: st.DataObject) -> None:
    names = [candidate.id for candidate in election.candidates]
    eligible = [candidate.id for candidate in election.eligible()]
    cost = {candidate.id: candidate.cost for candidate in election.candidates}
    expected, room = [], election.budget
    for name in plain_phragmen(election, names):
        if cost[name] > room:
            break
        room -= cost[name]
        expected.append(name)
    assert list(phragmen(election).winner_ids) == expected

    won = data.draw(st.frozensets(st.sampled_from(names)))
    order = plain_phragmen(election, sorted(won), [name for name in eligible if name not in won])
    assert list(waiting_list(election, won)) == [name for name in order if name not in won]


@settings(relaxed, max_examples=300)
@given(elections())
def test_the_plain_twin_agrees(election: Election) -> None:
    assert decide(election).winners == plain_winners(election)


@settings(relaxed, max_examples=20)
@given(elections(most_candidates=12, most_ballots=30, least_ballots=12))
def test_the_plain_twin_agrees_on_larger_elections(election: Election) -> None:
    assert decide(election).winners == plain_winners(election)


@relaxed
@given(elections(), st.integers(60, 400))
def test_no_amount_is_too_large_to_be_counted(election: Election, digits: int) -> None:
    """Not even where floats are no help: an expert that costs next to nothing stands beside."""
    large = scaled(election, 10**digits)
    crumb = Candidate("crumb", 1)
    large = replace(
        large,
        candidates=(*large.candidates, crumb),
        ballots=tuple(b | {"crumb"} if at % 2 else b for at, b in enumerate(large.ballots)),
    )
    assert decide(large).winners == plain_winners(large)


@relaxed
@given(elections(), st.integers(1, 400), st.fractions(0, 1, max_denominator=50))
def test_within_the_slack_the_same_experts_are_bought(
    election: Election, percent: int, part: Fraction
) -> None:
    electorate = Electorate(election)
    share = Fraction(election.budget * percent, 100 * max(election.voters, 1))
    here = spend(electorate, share, step=0)
    there = share * (1 + Fraction(min(here.slack, 1000)) * part * Fraction(99, 100))
    assert spend(electorate, there, step=0).winners == here.winners


@relaxed
@given(elections())
def test_cost_within_budget_and_nothing_more_fits(election: Election) -> None:
    result = equal_shares(election)
    assert result.spent == sum(winner.cost for winner in result.winners) <= election.budget
    assert len(set(result.winner_ids)) == len(result.winners)
    for candidate in election.eligible():
        won = candidate.id in result.winner_ids
        assert won or result.spent + candidate.cost > election.budget
    assert set(result.winner_ids) <= {candidate.id for candidate in election.eligible()}


@relaxed
@given(elections())
def test_everybody_pays_for_what_they_approve_and_no_more_than_the_share(
    election: Election,
) -> None:
    result = equal_shares(election)
    spent = [Fraction(0)] * len(election.ballots)
    for winner in result.winners:
        if winner.phase == "fill":
            assert (winner.payments, winner.rho) == ({}, None)
            continue
        assert sum(winner.payments.values()) == winner.cost
        assert winner.rho is not None
        for ballot, paid in winner.payments.items():
            assert winner.id in election.ballots[ballot]
            assert 0 <= paid <= winner.rho * winner.cost
            spent[ballot] += paid
    for ballot, fraction in enumerate(result.spent_fractions):
        assert spent[ballot] == fraction * result.share_final
        assert 0 <= fraction <= 1


@relaxed
@given(elections())
def test_the_supporters_of_a_rejected_expert_cannot_pay_for_it(election: Election) -> None:
    result = equal_shares(election)
    eligible = {candidate.id for candidate in election.eligible()}
    for loser in result.losers:
        if loser.id in eligible:
            assert loser.remaining < loser.cost
            assert loser.missing == loser.cost - loser.remaining
            assert loser.reason in {"supporters_could_not_pay", "does_not_fit"}
    assert {loser.id for loser in result.losers} | set(result.winner_ids) == {
        candidate.id for candidate in election.candidates
    }


@relaxed
@given(elections(), rules, st.randoms(use_true_random=False))
def test_order_of_writing_changes_nothing(
    election: Election, rule: str, shuffle: random.Random
) -> None:
    election = replace(election, rule=rule)
    candidates, ballots = list(election.candidates), list(enumerate(election.ballots))
    shuffle.shuffle(candidates)
    shuffle.shuffle(ballots)
    other = replace(
        election, candidates=tuple(candidates), ballots=tuple(ballot for _, ballot in ballots)
    )
    first, second = tally(election).to_dict(), tally(other).to_dict()
    for key in ("spent_fractions", "winners_approved"):
        by_ballot = first.pop(key)
        assert [by_ballot[at] for at, _ in ballots] == second.pop(key)
    assert first == second


@relaxed
@given(elections(), rules, st.integers(2, 5))
def test_the_unit_of_money_does_not_matter(election: Election, rule: str, factor: int) -> None:
    election = replace(election, rule=rule)
    assert tally(scaled(election, factor)).winner_ids == tally(election).winner_ids


@relaxed
@given(elections(), rules, st.integers(2, 4))
def test_the_size_of_the_electorate_does_not_matter(
    election: Election, rule: str, times: int
) -> None:
    election = replace(election, rule=rule)
    copied = replace(election, ballots=election.ballots * times)
    assert tally(copied).winner_ids == tally(election).winner_ids


@relaxed
@given(elections(), rules, st.integers(1, 5))
def test_empty_ballots_change_nothing(election: Election, rule: str, empty: int) -> None:
    election = replace(election, rule=rule)
    more = replace(election, ballots=election.ballots + (frozenset[str](),) * empty)
    first, second = tally(election).to_dict(), tally(more).to_dict()
    assert second.pop("spent_fractions") == first.pop("spent_fractions") + ["0"] * empty
    assert second.pop("winners_approved") == first.pop("winners_approved") + [0] * empty
    assert first == second


@relaxed
@given(elections(), st.permutations([f"new {number}" for number in range(6)]), rules)
def test_renaming_changes_nothing_where_no_lot_was_drawn(
    election: Election, names: list[str], rule: str
) -> None:
    election = replace(election, rule=rule)
    new = dict(zip([c.id for c in election.candidates], names, strict=False))
    renamed = replace(
        election,
        candidates=tuple(Candidate(new[c.id], c.cost) for c in election.candidates),
        ballots=tuple(frozenset(new[name] for name in ballot) for ballot in election.ballots),
    )
    first, second = tally(election), tally(renamed)
    assert isinstance(first, Result)
    if not first.lots:
        assert second.winner_ids == tuple(new[name] for name in first.winner_ids)


@relaxed
@given(elections(), st.data())
def test_an_extra_approval_never_hurts(election: Election, data: st.DataObject) -> None:
    """Of somebody who votes already; equal shares without completion and fill."""
    voters = [at for at, ballot in enumerate(election.ballots) if ballot]
    for winners in (
        base,
        lambda election: greedy(election).winner_ids,
        lambda election: phragmen(election).winner_ids,
    ):
        if won := winners(election):
            name, at = data.draw(st.sampled_from(won)), data.draw(st.sampled_from(voters))
            ballots = list(election.ballots)
            ballots[at] |= {name}
            assert name in winners(replace(election, ballots=tuple(ballots)))


@relaxed
@given(elections(), st.integers(1, 30))
def test_a_larger_budget_keeps_all_phragmen_winners(election: Election, more: int) -> None:
    larger = replace(election, budget=election.budget + more)
    winners = phragmen(election).winner_ids
    assert phragmen(larger).winner_ids[: len(winners)] == winners


@relaxed
@given(elections(), rules)
def test_every_result_adds_up(election: Election, rule: str) -> None:
    result = tally(replace(election, rule=rule))
    assert isinstance(result, Result)
    names, won = {c.id for c in election.candidates}, set(result.winner_ids)
    known = replace(election, floor=False) if rule == "phragmen" else election  # it has no floor
    eligible = {c.id for c in known.eligible()}
    assert won | {loser.id for loser in result.losers} == names
    assert set(result.waiting_list) == eligible - won
    assert won <= eligible
    assert result.spent == sum(winner.cost for winner in result.winners) <= election.budget
    assert result.winners_approved == tuple(len(ballot & won) for ballot in election.ballots)
    paid = [Fraction(0)] * len(election.ballots)
    for winner in result.winners:
        if winner.payments:
            assert sum(winner.payments.values()) == winner.cost
        for ballot, money in winner.payments.items():
            assert winner.id in election.ballots[ballot]
            assert money >= 0
            paid[ballot] += money
    for fraction, money in zip(result.spent_fractions, paid, strict=True):
        assert fraction * result.share_final == money
        assert 0 <= fraction <= 1
    for loser in result.losers:
        held = sum(
            (1 - fraction) * result.share_final
            for fraction, ballot in zip(result.spent_fractions, election.ballots, strict=True)
            if loser.id in ballot
        )
        assert loser.remaining == (0 if rule == "greedy" else held)
        assert loser.missing == max(loser.cost - loser.remaining, 0)


@relaxed
@given(elections())
def test_further_supporters_carry_an_expert(election: Election) -> None:
    """With one fewer it loses: so the search ended, though the rule is not monotone."""
    result = equal_shares(election)
    for loser in result.losers:
        at_once = loser.more_supporters_needed
        later = more_supporters(election, result.to_dict(), loser.id)  # it begins with a guess
        for needed in (at_once, later):
            if needed is None:
                continue
            ballots = election.ballots + (frozenset({loser.id}),) * needed
            assert loser.id in plain_winners(replace(election, ballots=ballots))
            assert loser.id not in plain_winners(replace(election, ballots=ballots[:-1]))


@relaxed
@given(elections(), rules)
def test_lots_are_named(election: Election, rule: str) -> None:
    """Without any lot another seed admits the same experts."""
    election = replace(election, rule=rule)
    result = tally(election)
    assert isinstance(result, Result)
    for lot in result.lots:
        assert set(lot.chosen) <= set(lot.among)
        assert lot.decisive or lot.phase != "fill" or len(lot.chosen) == len(lot.among)
        assert len({winner.cost for winner in result.winners if winner.id in lot.among}) <= 1
        assert lot.decisive == (not set(lot.among) <= set(result.winner_ids))
    if not result.lots:
        for seed in ("a", "b", "c"):
            assert tally(replace(election, seed=seed)).winner_ids == result.winner_ids


@relaxed
@given(elections(), st.sampled_from(["greedy", "phragmen"]))
def test_further_supporters_carry_an_expert_by_other_rules(election: Election, rule: str) -> None:
    election = replace(election, rule=rule)
    for candidate in election.candidates:
        needed = supporters_needed(election, candidate.id, most=20)
        if candidate.id not in tally(election).winner_ids and needed:
            ballots = election.ballots + (frozenset({candidate.id}),) * needed
            assert candidate.id in tally(replace(election, ballots=ballots)).winner_ids


@relaxed
@given(elections())
def test_greedy_is_greedy(election: Election) -> None:
    winners = utilitarian(election)
    assert winners == greedy(election).winner_ids
    approvals = election.approvals()
    counts = [approvals[name] for name in winners]
    assert counts == sorted(counts, reverse=True)
    cost = {candidate.id: candidate.cost for candidate in election.candidates}
    for candidate in election.eligible():
        better = [n for n in winners if approvals[n] >= approvals[candidate.id]]
        if candidate.id not in winners:
            assert sum(cost[name] for name in better) + candidate.cost > election.budget


@relaxed
@given(elections())
def test_elections_and_results_survive_json(election: Election) -> None:
    assert Election.from_dict(json.loads(json.dumps(election.to_dict()))) == election
    result = equal_shares(election).to_dict()
    assert json.loads(json.dumps(result)) == result
