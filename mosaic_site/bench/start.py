"""`start`: from the command on an empty folder to the first page and the first release."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from mosaic_site.bench.measurement import Measurement, NotMeasured
from mosaic_site.supervisor.machine import free_port
from training_workers.models import Release

GOAL_PAGE_SECONDS, GOAL_RELEASE_SECONDS = 20, 300
MOST_SECONDS_TO_START = 120
MOST_SECONDS_TO_RELEASE = 420
STARTED = "Mosaic runs at"


@contextmanager
def _site() -> Iterator[tuple[float, float]]:
    """`manage.py run`; the seconds to its first page, and to everything being started."""
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run", "--port", str(port)],
        cwd=settings.REPOSITORY,
        env={**os.environ, "MOSAIC_DEMO": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        while not _answers(f"http://127.0.0.1:{port}/"):
            if process.poll() is not None or time.monotonic() - began > MOST_SECONDS_TO_START:
                raise NotMeasured("The site did not start.")
            time.sleep(0.02)
        page = time.monotonic() - began
        if not any(line.startswith(STARTED) for line in process.stdout):
            raise NotMeasured("The site ended before it had started.")
        yield page, time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    say("starting on an empty folder")
    began = time.monotonic()
    with _site() as (page, everything):
        say(f"first page after {page:.1f} s, all services after {everything:.1f} s")
        while not Release.objects.live().exists():
            if time.monotonic() - began > MOST_SECONDS_TO_RELEASE:
                raise NotMeasured(f"No release was live after {MOST_SECONDS_TO_RELEASE} s.")
            time.sleep(0.5)
        release = time.monotonic() - began
    say(f"first release after {release:.0f} s; starting again on the same folder")
    with _site() as (page_again, everything_again):
        pass
    how = "`manage.py run` with the demo, seconds of the clock, once."
    return [
        Measurement(
            "start.page", page, "s", "the second start on the same folder", page_again,
            f"{how} Empty folder: migrations included.",
            f"under {GOAL_PAGE_SECONDS} s", page < GOAL_PAGE_SECONDS,
        ),
        Measurement(
            "start.services", everything, "s", "the second start on the same folder",
            everything_again, f"{how} The demo seeded and every service launched.",
        ),
        Measurement(
            "start.release", release, "s", "the goal", GOAL_RELEASE_SECONDS,
            f"{how} Until the demo's first release is live: its experts trained and evaluated, "
            "its round voted on and ratified, its release composed.",
            f"under {GOAL_RELEASE_SECONDS} s", release < GOAL_RELEASE_SECONDS,
        ),
    ]  # fmt: skip
