"""`voting`: casting ballots into the chained box on PostgreSQL, and proving the box."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from governance import recount
from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.postgresql import postgresql
from mosaic_site.bench.voting_site import CANDIDATES, PROCESSES, SEED, VOTERS

GOAL_CASTS, GOAL_SECONDS = 200, 1.0
STEPS = "from mosaic_site.bench import voting_site as site; site."


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    say(f"{VOTERS:,} ballots without a chain")
    with postgresql() as there:
        plain, _ = _vote(there, "plain")
    say(f"{VOTERS:,} ballots with it")
    with postgresql() as there:
        chained, receipts = _vote(there, "chained")
        say("proving the box")
        proof = json.loads(_answer(_started(there, "prove()")))
    recounted = _recount(Path(settings.MOSAIC_HOME) / "chain.jsonl", proof["lines"], receipts)
    how = (
        f"{VOTERS:,} members, {CANDIDATES} candidates, 1 to 20 approvals, seed {SEED}, "
        f"{PROCESSES} processes, PostgreSQL that waits for the disk, once."
    )
    return [
        Measurement(
            "voting.casts", chained, "casts/s", "the same two rows without a chain", plain,
            f"{how} None lost or doubled: {'; '.join(proof['holds'])}.",
            f"at least {GOAL_CASTS} casts/s", chained >= GOAL_CASTS,
        ),
        Measurement(
            "voting.chain", proof["chain"], "s", "recount.py on the download", recounted,
            f"Read from the database and verified: {len(proof['lines']):,} entries. The whole "
            f"audit with openings and electorate took {proof['all']:.2f} s. Once.",
            f"under {GOAL_SECONDS:g} s", proof["chain"] < GOAL_SECONDS,
        ),
    ]  # fmt: skip


def _manage(there: dict[str, str], *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", *command],
        env=os.environ | there | {"DJANGO_SETTINGS_MODULE": "mosaic_site.bench.on_postgresql"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _started(there: dict[str, str], call: str) -> "subprocess.Popen[str]":
    return _manage(there, "shell", "--no-imports", "--command", f"{STEPS}{call}")


def _answer(process: "subprocess.Popen[str]") -> str:
    answer, _ = process.communicate()
    if process.returncode:
        raise NotMeasured("A step of the vote broke off.")
    return answer


def _vote(there: dict[str, str], how: str) -> tuple[float, set[str]]:
    """Ballots a second from the first's begin to the last's end, and all their receipts."""
    _answer(_manage(there, "migrate", "--verbosity", "0"))
    _answer(_started(there, "prepare()"))
    casting = [_started(there, f"cast(site.{how}, {part})") for part in range(PROCESSES)]
    for process in casting:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
    for process in casting:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(_answer(process)) for process in casting]
    began = min(one["began"] for one in answers)
    ended = max(one["ended"] for one in answers)
    return VOTERS / (ended - began), {receipt for one in answers for receipt in one["receipts"]}


def _recount(path: Path, lines: list[str], receipts: set[str]) -> float:
    """Seconds that an outsider needs for the chain. Raises NotMeasured unless it has all casts."""
    payloads = [json.loads(json.loads(line)["payload"]) for line in lines]
    if receipts != {one["receipt"] for one in payloads if "receipt" in one}:
        raise NotMeasured("The receipts that were given out are not those in the chain.")
    if len(receipts) != VOTERS or len(lines) != VOTERS + 1:
        raise NotMeasured(f"{VOTERS} casts left {len(lines)} entries.")
    path.write_text("".join(lines), encoding="utf-8")
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-I", str(recount.__file__), "--chain", str(path)],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - began
