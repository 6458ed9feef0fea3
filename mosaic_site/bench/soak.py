"""`soak`: a whole site under mixed load for a quarter of an hour: uploads, votes, chats, training.

The people come by the front door, with cookies and forms. At the end every answer that promised
something is looked up among the rows, and the memory of each process is compared with what it was
once all had warmed up.
"""

import http.client
import json
import os
import random
import re
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.bench.postgresql import postgresql
from mosaic_site.supervisor import Stack

MINUTES = "MOSAIC_BENCH_MINUTES"
SETTINGS = "mosaic_site.bench.soak_settings"
MEMBERS, SEED = 40, 7
UPLOADERS, VOTERS, TALKERS, READERS = 2, 2, 2, 2
# So that the machine is busy and not buried: a person waits so long after each answer.
PAUSE_SECONDS = 0.5
LOOK_EVERY_SECONDS = 5.0
SECONDS_TO_END = 240.0
GOAL_GROWTH = 0.10
LEAST_MIB = 8.0
"""Less than this is no growth, however small a process is: Redis takes 2 MiB."""
WARM_SHARE = 0.3
"""Of the time, after which memory counts as what a process needs: all has been used by then."""


@dataclass
class Done:
    """What the site promised, and what went wrong."""

    uploads: list[str] = field(default_factory=list)
    casts: int = 0
    voters: set[str] = field(default_factory=set)
    chats: int = 0
    experts: int = 0
    pages: int = 0
    errors: list[str] = field(default_factory=list)


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    home, minutes = Path(settings.MOSAIC_HOME), float(os.environ.get(MINUTES, "15"))
    with ExitStack() as running:
        there = running.enter_context(postgresql())
        env = {**there, "DJANGO_SETTINGS_MODULE": SETTINGS, "MOSAIC_DEMO": "1"}
        stack = running.enter_context(Stack(home, env=env, say=say))
        stack.manage("register_base")
        people = json.loads(_inside(stack, f"prepare({MEMBERS})"))
        say(f"{minutes:g} minutes of uploads, votes, chats, pages and training")
        done, memory = _load(stack, people, minutes, say)
        say("waiting until everything that was begun is done")
        found = json.loads(_inside(stack, f"settle({SECONDS_TO_END})"))
        logged = list(_logged(stack))
    return _measurements(done, found, memory, logged, minutes)


def _inside(stack: Stack, call: str) -> str:
    """What a step of `soak_site` prints, run inside the site."""
    program = f"from mosaic_site.bench import soak_site as site; print(site.{call})"
    said = stack.manage("shell", "--no-imports", "--verbosity", "0", "--command", program)
    return said.splitlines()[-1]


class _Person:
    """Somebody with a browser, who is signed in."""

    def __init__(self, port: int, cookies: Mapping[str, str]) -> None:
        self._port, self._cookies = port, dict(cookies)

    def get(self, path: str) -> tuple[int, str]:
        return self._ask("GET", path, None, {})

    def post(self, path: str, fields: Mapping[str, Any]) -> tuple[int, str]:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", path, urlencode(fields, doseq=True).encode(), kind)

    def upload(self, path: str, fields: Mapping[str, str], name: str, file: str) -> tuple[int, str]:
        edge = "edge-of-a-part"
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in fields.items()
        ]
        parts.append(
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: text/csv\r\n\r\n{file}\r\n--{edge}--\r\n"
        )
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return self._ask("POST", path, "".join(parts).encode(), kind)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str]:
        """Status, and where it leads or what it says."""
        sent = {
            **headers,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items()),
            "X-CSRFToken": self._cookies["csrftoken"],
            "Referer": f"http://127.0.0.1:{self._port}/",
        }
        # A connection of its own: one that was idle for some seconds the server has closed.
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        finally:
            connection.close()
        return response.status, response.headers.get("Location") or text


def _banner(page: str) -> str:
    """What a page says to the person, where it refuses."""
    found = re.search(r'<p class="banner[^>]*>(.*?)</p>', page, re.DOTALL)
    return " ".join(found[1].split()) if found else "no reason"


def _load(
    stack: Stack, people: dict[str, Any], minutes: float, say: Callable[[str], None]
) -> tuple[Done, dict[str, list[float]]]:
    done, lock, until = Done(), threading.Lock(), time.monotonic() + 60 * minutes
    cookies: dict[str, dict[str, str]] = people["cookies"]
    names = sorted(cookies)

    def each(number: int, act: Callable[[_Person, str, random.Random], None]) -> None:
        """One of the crowd, as whoever it is, until the time is up."""
        draws = random.Random(SEED + number)
        sessions: dict[str, _Person] = {}
        while time.monotonic() < until:
            name = draws.choice(names)
            person = sessions.setdefault(name, _Person(stack.port, cookies[name]))
            try:
                act(person, name, draws)
            except (OSError, http.client.HTTPException) as error:
                del sessions[name]
                with lock:
                    done.errors.append(f"{act.__name__}: {type(error).__name__}: {error}")
            time.sleep(PAUSE_SECONDS * draws.uniform(0.5, 1.5))

    def note(what: str, status: int, right: bool, text: str) -> bool:
        if not right:
            with lock:
                done.errors.append(f"{what} answered {status}: {text[:200]}")
        return right

    def bring(person: _Person, name: str, draws: random.Random) -> None:
        called = f"{name} {draws.randrange(10**9)}"
        rows = [f"question {draws.randrange(10**9)} of {called},yes" for _ in range(200)]
        file = "\n".join(["prompt,completion", *rows])
        fields = {"name": called, "once": str(uuid.UUID(int=draws.getrandbits(128), version=4))}
        status, text = person.upload("/datasets/new/", fields, "rows.csv", file)
        if note("an upload", status, status == 302, text):
            with lock:
                done.uploads.append(called)

    def vote(person: _Person, name: str, draws: random.Random) -> None:
        chosen = draws.sample(people["candidates"], draws.randint(0, len(people["candidates"])))
        status, text = person.post(f"{people['round']}ballot/cast/", {"approvals": chosen})
        if note("a cast", status, status == 302 and text.endswith("/ballot/receipt/"), text):
            with lock:
                done.casts += 1
                done.voters.add(name)

    def talk(person: _Person, name: str, draws: random.Random) -> None:
        status, text = person.post("/talk/", {"prompt": f"what is {draws.randrange(1000)}?"})
        if "questions within a minute" in text:
            return
        answered = status == 200 and "Why this answer came from here" in text
        if note("a chat", status, answered, _banner(text)):
            with lock:
                done.chats += 1

    def read(person: _Person, name: str, draws: random.Random) -> None:
        path = draws.choice(people["pages"])
        status, text = person.get(path)
        if note(path, status, status == 200, text):
            with lock:
                done.pages += 1

    crowd = [bring] * UPLOADERS + [vote] * VOTERS + [talk] * TALKERS + [read] * READERS
    threads = [
        threading.Thread(target=each, args=(number, act)) for number, act in enumerate(crowd)
    ]
    trainer = threading.Thread(target=_train, args=(stack, until, done))
    for thread in [*threads, trainer]:
        thread.start()
    memory = _watch_memory(stack, until, say)
    for thread in [*threads, trainer]:
        thread.join()
    return done, memory


def _train(stack: Stack, until: float, done: Done) -> None:
    """Keeps a job or two in the queue."""
    while time.monotonic() < until:
        done.experts += int(_inside(stack, "submit_if_few_wait()"))
        time.sleep(2)


def _watch_memory(stack: Stack, until: float, say: Callable[[str], None]) -> dict[str, list[float]]:
    """MiB of each service's processes, every few seconds, without what they share twice."""
    seen: dict[str, list[float]] = {}
    told = time.monotonic()
    while time.monotonic() < until:
        for name, pid in stack.pids.items():
            if name.startswith("worker-gpu"):
                # The child that does a job is as large as the job, and goes with it.
                mib = _mib(pid, "Rss")
            else:
                mib = sum(_mib(one, "Pss") for one in _group(pid))
            seen.setdefault(name, []).append(mib)
        if time.monotonic() - told > 60:
            told = time.monotonic()
            say(", ".join(f"{name} {each[-1]:.0f} MiB" for name, each in seen.items()))
        time.sleep(LOOK_EVERY_SECONDS)
    return seen


def _group(leader: int) -> list[int]:
    """The processes of a group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == leader:
            found.append(int(stat.parent.name))
    return found


def _mib(pid: int, what: str) -> float:
    """A process's resident set size (Rss), or its proportional one (Pss), in which a page that
    several processes share counts once in all of them. 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith(what)), 0) / 1024


def _logged(stack: Stack) -> Iterator[str]:
    """What the processes called an error."""
    for log in sorted((stack.home / "logs").glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            if "[error " in line or "[critical" in line or line.startswith("Traceback"):
                yield f"{log.name}: {line[:200]}"


def _measurements(
    done: Done,
    found: dict[str, Any],
    memory: dict[str, list[float]],
    logged: list[str],
    minutes: float,
) -> list[Measurement]:
    lost = [name for name in done.uploads if name not in set(found["datasets"])]
    promised = len(done.uploads) + done.casts + done.experts
    kept = len(done.uploads) - len(lost) + min(found["casts"], done.casts) + found["experts_done"]
    growth = {name: _growth(values) for name, values in memory.items() if len(values) > 10}
    if not growth:
        raise NotMeasured("It was too short to tell of memory.")
    worst = max(growth, key=lambda name: _counted(*growth[name]))
    before, after = growth[worst]
    errors = done.errors + logged + found["failed"]
    told = Counter(error[:160] for error in errors)
    how = (
        f"{minutes:g} minutes on PostgreSQL, one machine, seed {SEED}: "
        f"{len(done.uploads)} uploads, {done.casts} casts of {len(done.voters)} members, "
        f"{done.chats} chats, {done.experts} experts trained, {done.pages} pages."
    )
    each = ", ".join(f"{name} {now / then - 1:+.1%}" for name, (then, now) in growth.items())
    return [
        Measurement(
            "soak.errors", len(errors), "errors", "requests",
            len(done.uploads) + done.casts + done.chats + done.pages,
            f"{how} Answers other than expected, errors in logs, jobs that failed"
            + "".join(f"; {number} x {what}" for what, number in told.most_common(8)),
            "none", not errors,
        ),
        Measurement(
            "soak.rows", kept, "rows", "what the site promised", promised,
            f"{how} Every upload is a dataset that was checked, every cast an entry of the box "
            "whose chain holds, every expert trained.",
            "none lost", kept == promised and found["chain_holds"],
        ),
        Measurement(
            "soak.memory", after, "MiB", f"the same ({worst}) once it was warm", before,
            f"The service that grew most; medians of the last fifth and of the fifth after the "
            f"first {WARM_SHARE:.0%}. {each}. {how}",
            f"at most {1 + GOAL_GROWTH:g} times",
            after <= (1 + GOAL_GROWTH) * before or after - before < LEAST_MIB,
        ),
    ]  # fmt: skip


def _counted(before: float, after: float) -> float:
    """The growth of a service, where it is one at all."""
    return after / before if after - before >= LEAST_MIB else 0.0


def _growth(values: list[float]) -> tuple[float, float]:
    """The median of a fifth of the values once all was warm, and of the last fifth."""
    fifth, warm = max(1, len(values) // 5), int(WARM_SHARE * len(values))
    return statistics.median(values[warm : warm + fifth]), statistics.median(values[-fifth:])
