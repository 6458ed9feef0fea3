"""Laws of the Method of Equal Shares, and a plain second implementation to compare with."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.tally import Candidate, Election, equal_shares, utilitarian
from governance.tally.decide import decide
from governance.tally.shares import Electorate, spend


@st.composite
def elections(draw: st.DrawFn, most_candidates: int = 6, most_ballots: int = 7) -> Election:
    costs = draw(st.lists(st.integers(1, 12), min_size=1, max_size=most_candidates))
    names = [f"expert {number}" for number in range(len(costs))]
    ballots = draw(st.lists(st.frozensets(st.sampled_from(names)), max_size=most_ballots))
    return Election(
        candidates=tuple(Candidate(name, cost) for name, cost in zip(names, costs, strict=True)),
        ballots=tuple(ballots),
        budget=draw(st.integers(1, 30)),
        seed=draw(st.text(max_size=3)),
        floor=draw(st.booleans()),
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


@settings(max_examples=300, deadline=None)
@given(elections())
def test_the_plain_twin_agrees(election: Election) -> None:
    assert decide(election).winners == plain_winners(election)


@settings(deadline=None)
@given(elections(), st.integers(1, 400), st.fractions(0, 1, max_denominator=50))
def test_within_the_slack_the_same_experts_are_bought(
    election: Election, percent: int, part: Fraction
) -> None:
    electorate = Electorate(election)
    share = Fraction(election.budget * percent, 100 * max(election.voters, 1))
    here = spend(electorate, share, step=Fraction(0))
    there = share + here.slack * part * Fraction(99, 100)
    assert spend(electorate, there, step=Fraction(0)).winners == here.winners


@given(elections())
def test_cost_within_budget_and_nothing_more_fits(election: Election) -> None:
    result = equal_shares(election)
    assert result.spent == sum(winner.cost for winner in result.winners) <= election.budget
    assert len(set(result.winner_ids)) == len(result.winners)
    for candidate in election.eligible():
        won = candidate.id in result.winner_ids
        assert won or result.spent + candidate.cost > election.budget
    assert set(result.winner_ids) <= {candidate.id for candidate in election.eligible()}


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


@given(elections(), st.randoms(use_true_random=False))
def test_order_of_writing_changes_nothing(election: Election, shuffle: random.Random) -> None:
    candidates, ballots = list(election.candidates), list(enumerate(election.ballots))
    shuffle.shuffle(candidates)
    shuffle.shuffle(ballots)
    other = replace(
        election, candidates=tuple(candidates), ballots=tuple(ballot for _, ballot in ballots)
    )
    first, second = equal_shares(election).to_dict(), equal_shares(other).to_dict()
    by_ballot = first.pop("spent_fractions")
    assert [by_ballot[at] for at, _ in ballots] == second.pop("spent_fractions")
    assert first == second


@given(elections(), st.integers(2, 5))
def test_the_unit_of_money_does_not_matter(election: Election, factor: int) -> None:
    scaled = replace(
        election,
        candidates=tuple(Candidate(c.id, c.cost * factor) for c in election.candidates),
        budget=election.budget * factor,
    )
    assert equal_shares(scaled).winner_ids == equal_shares(election).winner_ids


@given(elections(), st.integers(2, 4))
def test_the_size_of_the_electorate_does_not_matter(election: Election, times: int) -> None:
    copied = replace(election, ballots=election.ballots * times)
    assert equal_shares(copied).winner_ids == equal_shares(election).winner_ids


@given(elections(), st.integers(1, 5))
def test_empty_ballots_change_nothing(election: Election, empty: int) -> None:
    more = replace(election, ballots=election.ballots + (frozenset[str](),) * empty)
    first, second = equal_shares(election).to_dict(), equal_shares(more).to_dict()
    assert second.pop("spent_fractions") == first.pop("spent_fractions") + ["0"] * empty
    assert first == second


@given(elections())
def test_further_supporters_carry_an_expert(election: Election) -> None:
    for loser in equal_shares(election).losers:
        if (needed := loser.more_supporters_needed) is not None:
            ballots = election.ballots + (frozenset({loser.id}),) * needed
            assert loser.id in plain_winners(replace(election, ballots=ballots))
            assert loser.id not in plain_winners(replace(election, ballots=ballots[:-1]))


@given(elections())
def test_lots_are_named(election: Election) -> None:
    """Without a decisive lot another seed admits the same experts."""
    result = equal_shares(election)
    for lot in result.lots:
        assert set(lot.chosen) < set(lot.among)
        assert len({winner.cost for winner in result.winners if winner.id in lot.among}) <= 1
        assert lot.decisive == (not set(lot.among) <= set(result.winner_ids))
    if not result.lots:
        for seed in ("a", "b", "c"):
            assert equal_shares(replace(election, seed=seed)).winner_ids == result.winner_ids


@given(elections())
def test_greedy_is_greedy(election: Election) -> None:
    winners = utilitarian(election)
    approvals = election.approvals()
    counts = [approvals[name] for name in winners]
    assert counts == sorted(counts, reverse=True)
    cost = {candidate.id: candidate.cost for candidate in election.candidates}
    for candidate in election.eligible():
        better = [n for n in winners if approvals[n] >= approvals[candidate.id]]
        if candidate.id not in winners:
            assert sum(cost[name] for name in better) + candidate.cost > election.budget


@given(elections())
def test_elections_and_results_survive_json(election: Election) -> None:
    assert Election.from_dict(json.loads(json.dumps(election.to_dict()))) == election
    result = equal_shares(election).to_dict()
    assert json.loads(json.dumps(result)) == result
