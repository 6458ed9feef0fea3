"""`tally`: counting a large round exactly, against counting its approvals only."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from governance.tally import Candidate, Election, equal_shares
from governance.tally.greedy import utilitarian
from mosaic_site.bench.measurement import Measurement

CANDIDATES, VOTERS, SEED = 200, 1000, 7
MIB = 2**20


def _election() -> Election:
    """Costs of 1 to 4 MiB, a budget for about a quarter of all, 1 to 20 approvals a voter."""
    draws = random.Random(SEED)
    names = [f"e{number}" for number in range(CANDIDATES)]
    candidates = tuple(Candidate(name, draws.randint(MIB, 4 * MIB)) for name in names)
    ballots = tuple(frozenset(draws.sample(names, draws.randint(1, 20))) for _ in range(VOTERS))
    budget = sum(candidate.cost for candidate in candidates) // 4
    return Election(candidates, ballots, budget, seed=str(SEED))


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    election = _election()
    say(f"{CANDIDATES} candidates, {VOTERS:,} voters")
    began = time.perf_counter()
    winners = len(equal_shares(election).winners)
    shares = time.perf_counter() - began
    began = time.perf_counter()
    greedy = len(utilitarian(election))
    approvals = time.perf_counter() - began
    return [
        Measurement(
            name="tally",
            value=shares,
            unit="s",
            other="greedy by approvals, which is not proportional",
            other_value=approvals,
            how=f"Method of Equal Shares in exact fractions, {CANDIDATES} candidates, "
            f"{VOTERS:,} voters, seed {SEED}, once: {winners} winners (greedy: {greedy}).",
        )
    ]
