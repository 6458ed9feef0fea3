"""`pages`: how fast the loop's pages are while a worker trains, against the same pages idle."""

import http.client
import json
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import chain
from pathlib import Path

from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contributions import actions as bring
from contributions.actions import ProbeText
from contributions.models import Expert
from governance import actions as decide
from mosaic_site.bench.measurement import Measurement, NotMeasured, median_interval, percentile
from mosaic_site.bench.rows import INTENTS, make_rows
from mosaic_site.members.models import User
from mosaic_site.rehearsal import cycle
from mosaic_site.rehearsal.folder import Brought
from mosaic_site.supervisor import Stack
from mosaic_site.supervisor.machine import signal_group
from training_workers.models import Job, Release

NAMES, SEED = 5, 7
INTENTS_OF_EACH = len(INTENTS) // NAMES
VIEWS, BLOCKS = 60, 6  # of each page idle and while training; in blocks that take turns
GOAL_RATIO = 2.0
QUICK = {"max_tokens": 6_000}
ENDLESS = {"passes": 1000, "max_tokens": None}
SECONDS_TO_BEGIN = 60


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    home = Path(settings.MOSAIC_HOME)
    with Stack(home, say=say) as stack:
        stack.manage("register_base")
        release = cycle.run([_brought(home, number) for number in range(NAMES)], QUICK, say)
        voter, urls = _what_to_look_at(release)
        with _training() as job:
            say(f"{VIEWS} views of each page, idle and while an expert trains")
            idle, busy = _views(stack, voter, urls, job)
    return _measurements(idle, busy)


def _brought(home: Path, number: int) -> Brought:
    """What one name brings: rows of three intents, and probes in other words."""
    intents = INTENTS[number * INTENTS_OF_EACH : (number + 1) * INTENTS_OF_EACH]
    rows = make_rows(300, 36, SEED + number, intents=intents)
    file = home / f"name{number}.jsonl"
    lines = [json.dumps({"prompt": row.prompt, "completion": row.completion}) for row in rows.train]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    parts = ("fit", "select", "sealed")
    probes = [
        ProbeText(row.prompt, row.completion, parts[position % 3])
        for position, row in enumerate(rows.held_out)
    ]
    return Brought(f"name{number}", file, tuple(probes))


def _what_to_look_at(release: Release) -> tuple[User, dict[str, str]]:
    """A member who may vote in a round that is open, and the addresses of the pages."""
    experts = list(Expert.objects.eligible())
    round_ = decide.round_open(
        steward=User.objects.get(username="steward"),
        title="The next round",
        budget_bytes=sum(expert.adapter_bytes for expert in experts) // 2,
        quorum=1,
        closes_at=timezone.now() + timedelta(days=1),
    )
    return experts[0].owner, {
        "home": reverse("home"),
        "experts": reverse("contributions:expert_list"),
        "expert": experts[0].get_absolute_url(),
        "ballot": reverse("governance:ballot", args=[round_.pk]),
        "release": release.get_absolute_url(),
    }


@contextmanager
def _training() -> Iterator[Job]:
    """An expert that trains for as long as it takes."""
    model = Expert.objects.eligible()[0]
    steward = User.objects.get(username="steward")
    expert = bring.expert_submit(
        owner=model.owner,
        name="endless",
        purpose="Keeps a worker busy.",
        priority=model.priority,
        versions=list(model.versions.all()),
        recipe=ENDLESS,
    )
    bring.expert_approve(steward=steward, expert=expert)
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not (job := Job.objects.filter(expert=expert, progress__phase="training").first()):
        if time.monotonic() > deadline:
            raise NotMeasured("No worker began to train.")
        time.sleep(0.2)
    yield job


def _views(
    stack: Stack, voter: User, urls: dict[str, str], job: Job
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Milliseconds of each view of each page, idle and while training, in turns.

    To be idle the worker is stopped by a signal, so that nothing else differs.
    """
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)
    client = Client()
    client.force_login(voter)
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"}
    worker = stack.pids["worker-gpu"]
    taken: dict[bool, dict[str, list[float]]] = {
        training: {name: [] for name in urls} for training in (True, False)
    }
    for block in range(-1, BLOCKS):  # the first warms up and does not count
        for training in (True, False) if block % 2 else (False, True):
            signal_group(worker, signal.SIGCONT if training else signal.SIGSTOP)
            step = _step(job)
            time.sleep(0.3)
            for name, url in urls.items():
                times = [_view(connection, url, headers) for _ in range(VIEWS // BLOCKS)]
                if block >= 0:
                    taken[training][name] += times
            if (_step(job) > step) != training:
                raise NotMeasured("The worker did not train when it should, or did when not.")
    signal_group(worker, signal.SIGCONT)
    connection.close()
    return taken[False], taken[True]


def _step(job: Job) -> int:
    job.refresh_from_db()
    return int(job.progress.get("step", 0))


def _view(connection: http.client.HTTPConnection, url: str, headers: dict[str, str]) -> float:
    began = time.perf_counter()
    connection.request("GET", url, headers=headers)
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise NotMeasured(f"{url} answered {response.status}.")
    return 1000 * (time.perf_counter() - began)


def _measurements(idle: dict[str, list[float]], busy: dict[str, list[float]]) -> list[Measurement]:
    """One for each page, and one for all views together."""
    each = [_compared(f"pages.{name}", idle[name], busy[name]) for name in idle]
    together = [list(chain.from_iterable(times.values())) for times in (idle, busy)]
    return [*each, _compared("pages", *together)]


def _compared(name: str, idle: list[float], busy: list[float]) -> Measurement:
    before = statistics.median(idle)
    now, low, high = median_interval(busy)
    return Measurement(
        name=name,
        value=now,
        unit="ms",
        other="idle",
        other_value=before,
        how=f"Medians of {len(busy)} views each while a worker trains and idle, in turns, one "
        f"signed-in member on one connection; 95 % interval {low:.0f} to {high:.0f} ms while "
        f"training; 95th percentile {percentile(busy, 0.95):.0f} ms, "
        f"idle {percentile(idle, 0.95):.0f} ms.",
        goal=f"ratio at most {GOAL_RATIO:g}",
        met=now / before <= GOAL_RATIO,
    )
