"""Credit of experts: their Shapley values in a game on the sealed probes (Shapley 1953).

    phi_i = sum over S without i of |S|! (n - |S| - 1)! / n! * (v(S + i) - v(S))

v(S) is the mean score of a strategy's answers with the experts S alone. So the values
sum to v(all) - v(nobody), experts that do the same earn the same, and one that never helps earns
nothing. v is a mean over items, and phi is linear in v, so each item is a game of its own, among
the players that its readings name. It is solved exactly up to 12 players, else as the mean of 2,000
random orders of joining (Castro, Gomez & Tejada 2009).

It is played twice: by experts, and by owners, who bring all of their experts at once, so that
nobody gains by handing in the same expert under several names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training_workers.engine.resampling import LEVEL, RESAMPLES, Bootstrap

EXACT = 12
"""Players up to which all subsets are counted, 4,096 of them."""
ORDERS = 2_000
DIGITS = 12
"""Values are rounded to so many, so that nothing earned is 0 and not 1e-17."""


@dataclass(frozen=True)
class Reading:
    """One way to answer an item: whom it needs (nobody: the base alone), how much the strategy
    trusts it, and how right it is, from 0 to 1."""

    team: frozenset[str]
    score: float
    right: float


def shapley_values(
    readings: Sequence[Sequence[Reading]],
    experts: Sequence[str],
    owners: Mapping[str, str],
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The credit of `experts`, JSON-ready.

    `readings` has one sequence an item; of those whose team is at hand, the one with the highest
    score answers (the first of equals). `owners` names each expert's owner; `groups` each item's
    stratum. `experts` and `owners` have each player's value in shares of all items, with a 95 %
    interval from 10,000 resamples of items. `credit` splits an owner's value among its experts in
    proportion to their own positive values, equally if none has one; it sums to `all - nobody`.
    Raises ValueError where an item has no reading without a team, or a team an unknown expert.
    """
    if not readings:
        raise ValueError("Credit needs items.")
    if groups is not None and len(groups) != len(readings):
        raise ValueError("Every item needs a group.")
    if not set(experts) <= owners.keys():
        raise ValueError("Every expert needs an owner.")
    ranked = [_ranked(item) for item in readings]
    named = {name for item in ranked for reading in item for name in reading.team}
    if not named <= set(experts):
        raise ValueError(f"Nobody knows the experts {sorted(named - set(experts))}.")
    of_owners = [
        [
            Reading(frozenset(owners[name] for name in one.team), one.score, one.right)
            for one in item
        ]
        for item in ranked
    ]
    players = sorted(set(experts)), sorted({owners[name] for name in experts})
    values = np.hstack(
        [item_values(ranked, players[0], seed), item_values(of_owners, players[1], seed)]
    )
    bootstrap = Bootstrap(values, groups or ["all"] * len(readings), None, seed)
    estimates = [bootstrap.average(column) for column in range(values.shape[1])]
    rows = [
        {"value": round(one.score, DIGITS), "low": one.low, "high": one.high} for one in estimates
    ]
    found = {
        "experts": dict(zip(players[0], rows, strict=False)),
        "owners": dict(zip(players[1], rows[len(players[0]) :], strict=True)),
    }
    return {
        "n": len(readings),
        "level": LEVEL,
        "resamples": RESAMPLES,
        "seed": seed,
        "exact": all(len(_players(item)) <= EXACT for item in ranked),
        "nobody": sum(item[-1].right for item in ranked) / len(ranked),
        "all": sum(item[0].right for item in ranked) / len(ranked),
        **found,
        "credit": _split(found["experts"], found["owners"], owners),
    }


def _ranked(item: Sequence[Reading]) -> list[Reading]:
    """Best first, up to the one without a team: it is always at hand, so none below it is used."""
    best_first = sorted(item, key=lambda reading: -reading.score)
    for at, reading in enumerate(best_first):
        if not reading.team:
            return best_first[: at + 1]
    raise ValueError("Every item needs a reading without a team: the base's own answer.")


def _players(item: Sequence[Reading]) -> list[str]:
    return sorted({name for reading in item for name in reading.team})


def item_values(
    readings: Sequence[Sequence[Reading]],
    players: Sequence[str],
    seed: int = 0,
    exact: int = EXACT,
) -> NDArray[np.float64]:
    """Shapley values (items, players) of each item's game, by subsets up to `exact` players.

    Readings stand best first, the one without a team last.
    """
    column = {name: at for at, name in enumerate(players)}
    # Independent uniform times of joining make every order equally likely.
    joins = np.random.default_rng(seed).random((ORDERS, len(players)))
    values = np.zeros((len(readings), len(players)))
    for row, item in enumerate(readings):
        present = [column[name] for name in _players(item)]
        place = {at: local for local, at in enumerate(present)}
        teams = [[place[column[name]] for name in reading.team] for reading in item]
        right = np.array([reading.right for reading in item], dtype=np.float64)
        if len(present) <= exact:
            values[row, present] = by_subsets(teams, right, len(present))
        else:
            values[row, present] = by_orders(teams, right, joins[:, present])
    return values


def by_subsets(
    teams: Sequence[Sequence[int]], right: NDArray[np.float64], players: int
) -> NDArray[np.float64]:
    """Exact values (players,) of the game of one item. Subset S is the number sum_(i in S) 2^i."""
    subsets = np.arange(2**players)
    value = np.zeros(2**players)
    for team, solved in zip(reversed(teams), reversed(right), strict=True):
        needed = sum(1 << member for member in team)
        value[subsets & needed == needed] = solved
    values: NDArray[np.float64] = _weights(players) @ value
    return values


@cache
def _weights(players: int) -> NDArray[np.float64]:
    """What v(S) counts in phi_i, (players, subsets): 1 / (n C(n - 1, |S| - 1)) if i is in S, else
    -1 / (n C(n - 1, |S|))."""
    subsets = np.arange(2**players)
    inside = (subsets >> np.arange(players)[:, None]) & 1
    size = np.array([int(subset).bit_count() for subset in subsets])
    share = np.array([1 / (players * comb(players - 1, s)) for s in range(players)] + [0.0])
    return np.where(inside == 1, share[size - 1], -share[size])


def by_orders(
    teams: Sequence[Sequence[int]], right: NDArray[np.float64], joins: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean marginal contributions (players,) in the game of one item.

    `joins` (orders, players) says when a player joins. A reading is at hand once the last of its
    team has joined, and answers unless a better one is at hand by then: it is a strict minimum of
    the times so far, best first. Whoever completed it is credited with what changes.
    """
    orders, players = joins.shape
    everyone = np.arange(orders)
    credited = np.zeros(players)
    last, times = [], []
    for team in teams[:-1]:
        last.append(np.array(team)[joins[:, team].argmax(axis=1)])
        times.append(joins[everyone, last[-1]])
    better = np.minimum.accumulate([np.full(orders, np.inf), *times])
    answer = np.full(orders, right[-1])
    for at in reversed(range(len(times))):
        answers = times[at] < better[at]
        gained = right[at] - answer[answers]
        credited += np.bincount(last[at][answers], weights=gained, minlength=players)
        answer[answers] = right[at]
    return credited / orders


def _split(
    experts: Mapping[str, Mapping[str, float]],
    of_owner: Mapping[str, Mapping[str, float]],
    owners: Mapping[str, str],
) -> dict[str, float]:
    credit = {}
    for name in experts:
        siblings = [one for one in experts if owners[one] == owners[name]]
        value = of_owner[owners[name]]["value"]
        # A loss is shared by those who made it.
        sign = -1.0 if value < 0 else 1.0
        parts = {one: max(0.0, sign * experts[one]["value"]) for one in siblings}
        total = sum(parts.values())
        credit[name] = value * (parts[name] / total if total else 1 / len(siblings))
    return credit
