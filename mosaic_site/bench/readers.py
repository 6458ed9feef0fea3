"""`readers`: a hundred people who read at once, on PostgreSQL, against a bare Django view with the
same queries, and against the same pages under the middleware that a new Django project has."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from mosaic_site.bench.bare import PAGES
from mosaic_site.bench.measurement import Measurement, NotMeasured, percentile
from mosaic_site.bench.postgresql import postgresql
from mosaic_site.supervisor.machine import free_port

READERS, BLOCKS, BLOCK_SECONDS, WARM_SECONDS = 100, 4, 12.0, 3.0
GOAL_RATE, GOAL_P99 = 0.8, 5.0
SECONDS_TO_START = 60.0
SITE, BARE, PLAIN = "the site", "a bare view", "startproject's middleware"
SERVERS = {
    SITE: ("mosaic_site.bench.on_postgresql", "mosaic_site.asgi:application"),
    BARE: ("mosaic_site.bench.bare_settings", "mosaic_site.bench.bare_asgi:application"),
    PLAIN: ("mosaic_site.bench.plain_settings", "mosaic_site.bench.bare_asgi:application"),
}


@dataclass
class _Read:
    """Pages a second of each block, and the seconds of every page."""

    rates: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    pages = Path(settings.MOSAIC_HOME) / "pages.json"
    with ExitStack() as running:
        there = running.enter_context(postgresql())
        env = os.environ | there | {PAGES: str(pages)}
        say("an open round of 10,000 members")
        _prepare(env, pages)
        paths = list(json.loads(pages.read_text(encoding="utf-8")))
        ports = {name: running.enter_context(_server(env, *how)) for name, how in SERVERS.items()}
        read = {name: _Read() for name in SERVERS}
        for port in ports.values():
            _read(port, WARM_SECONDS, paths)
        for block in range(BLOCKS):
            for name in SERVERS if block % 2 else reversed(SERVERS):
                taken, seconds = _read(ports[name], BLOCK_SECONDS, paths)
                read[name].rates.append(len(taken) / seconds)
                read[name].taken += taken
            told = ", ".join(f"{name} {each.rates[-1]:.0f}" for name, each in read.items())
            say(f"block {block + 1} of {BLOCKS}, pages a second: {told}")
    return _measurements(read, len(paths))


def _prepare(env: dict[str, str], pages: Path) -> None:
    env = env | {"DJANGO_SETTINGS_MODULE": SERVERS[SITE][0]}
    step = f"from mosaic_site.bench import readers_site as site; site.prepare({str(pages)!r})"
    for command in (
        ("migrate", "--verbosity", "0"),
        ("shell", "--no-imports", "--verbosity", "0", "--command", step),
    ):
        done = subprocess.run([sys.executable, "manage.py", *command], env=env)
        if done.returncode:
            raise NotMeasured(f"manage.py {command[0]} failed.")


@contextmanager
def _server(env: dict[str, str], module: str, application: str) -> Iterator[int]:
    """One process of the web server that `make run` starts. Yields its port."""
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", application, "--port", str(port)),
            *("--lifespan", "off", "--no-access-log", "--log-level", "warning"),
        ],
        env=env | {"DJANGO_SETTINGS_MODULE": module},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotMeasured(f"{application} with {module} did not start.")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _read(port: int, seconds: float, paths: list[str]) -> tuple[list[float], float]:
    """The seconds of every page, and of the whole."""
    program = [sys.executable, "-m", "mosaic_site.bench.reading"]
    arguments = [str(port), str(READERS), str(seconds), *paths]
    done = subprocess.run([*program, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise NotMeasured("A page was not answered.")
    found = json.loads(done.stdout)
    return found["taken"], found["seconds"]


def _measurements(read: dict[str, _Read], pages: int) -> list[Measurement]:
    site, bare, plain = read[SITE], read[BARE], read[PLAIN]
    how = (
        f"{READERS} readers without an account, each asking for one of {pages} pages after another "
        f"without a pause; one web process each, PostgreSQL on the same machine, {BLOCKS} blocks "
        f"of {BLOCK_SECONDS:g} s in turns, medians."
    )
    median, late = statistics.median(site.taken), percentile(site.taken, 0.99)
    return [
        Measurement(
            "readers.rate", site.rate, "pages/s", "a bare Django view with the same queries",
            bare.rate, f"{how} The bare view has no middleware, no models and no template: it "
            "makes the queries and answers with the finished page.",
            f"ratio at least {GOAL_RATE}", site.rate >= GOAL_RATE * bare.rate,
        ),
        Measurement(
            "readers.middleware", site.rate, "pages/s",
            "the same views and templates under startproject's middleware", plain.rate, how,
        ),
        Measurement(
            "readers.late", 1000 * late, "ms", "their median", 1000 * median,
            f"99th percentile of {len(site.taken):,} pages. {how}",
            f"at most {GOAL_P99:g} times", late <= GOAL_P99 * median,
        ),
    ]  # fmt: skip
