"""`tally`: counting a large round exactly, against the textbook's loop over every voter."""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from governance.tally import Candidate, Election, election_to_json, equal_shares, utilitarian
from governance.tally.shares import Electorate, spend
from mosaic_site.bench.measurement import Measurement, NotMeasured

CANDIDATES, VOTERS, FEW, SEED = 200, 10_000, 1_000, 7
MIB, LIMIT = 2**20, 300
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
ROOT = Path(__file__).parents[2]


def _election() -> Election:
    """Costs of 1 to 4 MiB, a budget for about a quarter of all, 1 to 20 approvals a voter."""
    draws = random.Random(SEED)
    names = [f"e{number}" for number in range(CANDIDATES)]
    candidates = tuple(Candidate(name, draws.randint(MIB, 4 * MIB)) for name in names)
    ballots = tuple(frozenset(draws.sample(names, draws.randint(1, 20))) for _ in range(VOTERS))
    budget = sum(candidate.cost for candidate in candidates) // 4
    return Election(candidates, ballots, budget, seed=str(SEED))


def _plain(election: Election) -> list[str]:
    """Equal shares at the first share, as the paper writes it down: a Fraction for every voter."""
    money = [Fraction(election.budget, election.voters)] * len(election.ballots)
    waiting = {
        candidate.id: (
            candidate.cost,
            [at for at, ballot in enumerate(election.ballots) if candidate.id in ballot],
        )
        for candidate in election.eligible()
    }
    winners: list[str] = []
    while True:
        offers = []
        for name, (cost, supporters) in waiting.items():
            if sum(money[at] for at in supporters) >= cost:
                owed, payers = Fraction(cost), len(supporters)
                for purse in sorted(money[at] for at in supporters):
                    if purse * payers >= owed:
                        break
                    owed -= purse
                    payers -= 1
                lot = election.lot(name)
                offers.append((owed / payers / cost, cost, -len(supporters), lot, name))
        if not offers:
            return winners
        rho, cost, _, _, name = min(offers)
        winners.append(name)
        for at in waiting.pop(name)[1]:
            money[at] -= min(money[at], rho * cost)


def _base(election: Election) -> list[str]:
    return spend(Electorate(election), Fraction(election.budget, election.voters)).winners


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _peak_of_the_command(election: Election) -> float:
    """MiB that `python -m governance.tally` held at most, reading and printing included."""
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-") as folder:
        path = Path(folder) / "election.json"
        path.write_text(election_to_json(election), encoding="utf-8")
        command = [sys.executable, "-m", "governance.tally", str(path), "--json"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * RSS_UNIT / MIB


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    large = _election()
    few = replace(large, ballots=large.ballots[:FEW])
    say(f"{CANDIDATES} candidates, {FEW:,} voters, and the plain loop")
    if (winners := _base(few)) != _plain(few):
        raise NotMeasured("the plain loop finds other winners")
    quick, plain = _seconds(lambda: _base(few)), _seconds(lambda: _plain(few))
    say(f"{VOTERS:,} voters")
    base = _seconds(lambda: _base(large))
    greedy = _seconds(lambda: utilitarian(large))
    complete = _seconds(lambda: equal_shares(large).to_dict())
    say("peak memory of the command")
    peak = _peak_of_the_command(large)
    election = f"{CANDIDATES} candidates, {VOTERS:,} voters, seed {SEED}, once"
    return [
        Measurement(
            "tally.plain", quick, "s", "the same with a Fraction for every voter", plain,
            f"Equal shares at the first share, exact, {CANDIDATES} candidates, {FEW:,} voters, "
            f"seed {SEED}, once: the same {len(winners)} winners.",
        ),
        Measurement(
            "tally.base", base, "s", "greedy by approvals, which is not proportional", greedy,
            f"Equal shares at the first share, {election}.", "under 1 s", base < 1,
        ),
        Measurement(
            "tally.complete", complete, "s", "equal shares at the first share alone", base,
            f"Completed, filled, explained, with the waiting list; {election}.",
            "under 5 s", complete < 5,
        ),
        Measurement(
            "tally.memory", peak, "MiB", "the limit", LIMIT,
            f"Peak of `python -m governance.tally FILE --json`; {election}.",
            f"under {LIMIT} MiB", peak < LIMIT,
        ),
    ]  # fmt: skip
