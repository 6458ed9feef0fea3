"""`watchers`: a thousand pages that watch one training, against the same training unwatched."""

import json
import math
import statistics
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.base import File

from contributions import actions as bring
from contributions.actions import ProbeText
from contributions.models import Dataset, DatasetVersion, Expert
from mosaic_site.bench.measurement import Measurement, NotMeasured, percentile
from mosaic_site.bench.rows import make_rows
from mosaic_site.members.models import User
from mosaic_site.supervisor import Stack
from mosaic_site.supervisor.machine import last_line
from training_workers.models import Job

WATCHERS, BLOCKS, SEED = 1_000, 3, 7
BLOCK_SECONDS, SETTLE_SECONDS, GRACE_SECONDS = 20.0, 4.0, 5.0
ENDLESS = {"passes": 1000, "max_tokens": None}
SECONDS_TO_BEGIN = 90
GOAL_SLOWER = 0.05


@dataclass(frozen=True)
class Watched:
    """A block with watchers: how long each event took to each of them, in seconds, and how many
    pairs of event and watcher there should be."""

    delays: list[float]
    pairs: int
    panels: int


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    home = Path(settings.MOSAIC_HOME)
    services = ("redis", "web", "worker-default", "worker-checks", "worker-gpu", "beat")
    with Stack(home, services=services, say=say) as stack:
        stack.manage("register_base")
        job = _endless_training(home)
        alone, watched, seen = [], [], []
        for block in range(BLOCKS):
            alone.append(_speed(job))
            with _watchers(stack, job) as process:
                time.sleep(SETTLE_SECONDS)
                since = time.time()
                watched.append(_speed(job))
                seen.append(_heard(process, job, since, time.time()))
            say(
                f"block {block + 1} of {BLOCKS}: {alone[-1]:,.0f} tokens/s unwatched, "
                f"{watched[-1]:,.0f} watched"
            )
            time.sleep(SETTLE_SECONDS)
    return _measurements(alone, watched, seen)


def _endless_training(home: Path) -> Job:
    """An expert that trains for as long as it takes, on rows that the site has checked."""
    steward = User.objects.create_user("steward", "s@example.org", role=User.Role.STEWARD)
    rows = make_rows(300, 36, SEED)
    probes = [ProbeText(row.prompt, row.completion) for row in rows.held_out]
    priority = bring.priority_declare(owner=steward, statement="Answer.", probes=probes)
    file = home / "rows.jsonl"
    lines = [json.dumps({"prompt": row.prompt, "completion": row.completion}) for row in rows.train]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    dataset = _checked(steward, file)
    expert = bring.expert_submit(
        owner=steward,
        name="endless",
        purpose="Is watched.",
        priority=priority,
        versions=list(dataset.versions.all()),
        recipe=ENDLESS,
    )
    bring.expert_approve(steward=steward, expert=expert)
    return _in_training(expert)


def _checked(owner: User, file: Path) -> Dataset:
    """A described dataset, checked here and now."""
    with file.open("rb") as stream:
        dataset = bring.dataset_upload(
            owner=owner, name=file.stem, file=File(stream, name=file.name), filename=file.name
        )
    dataset = bring.dataset_describe(
        dataset=dataset, licence="CC0-1.0", summary="Rows.", origin="Made for this.", limits=""
    )
    for version in dataset.versions.all():
        bring.version_check(version_id=version.pk)
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while dataset.versions.exclude(status=DatasetVersion.Status.VALID).exists():
        if time.monotonic() > deadline:
            raise NotMeasured("The rows were not found valid.")
        time.sleep(0.2)
    return dataset


def _in_training(expert: Expert) -> Job:
    deadline = time.monotonic() + SECONDS_TO_BEGIN
    while not (job := Job.objects.filter(expert=expert, progress__phase="training").first()):
        if time.monotonic() > deadline:
            raise NotMeasured("No worker began to train.")
        time.sleep(0.2)
    return job


def _tokens(job: Job) -> tuple[float, int]:
    """When the newest step was told, and the tokens read by then: waits for the next event."""
    last = job.events.filter(kind="progress").latest("sequence").sequence
    while True:
        event = job.events.filter(kind="progress", sequence__gt=last).last()
        if event is not None:
            return event.at.timestamp(), int(event.data["tokens"])
        time.sleep(0.05)


def _speed(job: Job) -> float:
    """Tokens a second of the clock that the training reads over a block."""
    began, before = _tokens(job)
    time.sleep(BLOCK_SECONDS)
    ended, after = _tokens(job)
    return (after - before) / (ended - began)


@contextmanager
def _watchers(stack: Stack, job: Job) -> Iterator["subprocess.Popen[str]"]:
    program = [sys.executable, "-m", "mosaic_site.bench.watching", str(stack.port), str(job.pk)]
    process = subprocess.Popen(
        [*program, str(WATCHERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            said = last_line(stack.log("web"))
            raise NotMeasured(f"{WATCHERS} sockets could not be opened; the site says: {said}")
        yield process
    finally:
        process.kill()
        process.wait()


def _heard(process: "subprocess.Popen[str]", job: Job, since: float, until: float) -> Watched:
    """How long each event of the block took to each watcher. Raises NotMeasured where one did not
    reach somebody, or somebody was cut off."""
    time.sleep(GRACE_SECONDS)
    answer, _ = process.communicate("enough\n")
    found = json.loads(answer)
    if found["closed"]:
        told = ", ".join(f"{n} with {code}" for code, n in found["closed"].items())
        raise NotMeasured(f"Of {WATCHERS} watchers some were cut off: {told}.")
    events = [
        (event.at.timestamp(), int(event.data["step"]))
        for event in job.events.filter(kind="progress").order_by("sequence")
        if since <= event.at.timestamp() <= until
    ]
    delays = []
    for heard in found["heard"]:
        steps = [step for _, step in heard]
        for at, step in events:
            # Steps only grow, and a panel shows all that happened before it.
            place = bisect_left(steps, step)
            if place == len(steps):
                raise NotMeasured(f"Step {step} did not reach everybody.")
            delays.append(max(0.0, heard[place][0] - at))
    panels = sum(len(heard) for heard in found["heard"])
    return Watched(delays, len(events) * WATCHERS, panels)


def _measurements(
    alone: list[float], watched: list[float], seen: list[Watched]
) -> list[Measurement]:
    delays = [delay for one in seen for delay in one.delays]
    pairs, panels = sum(one.pairs for one in seen), sum(one.panels for one in seen)
    before, now = statistics.median(alone), statistics.median(watched)
    slower = 1 - now / before
    how = (
        f"{WATCHERS:,} WebSockets of another process on the same machine, {BLOCKS} blocks of "
        f"{BLOCK_SECONDS:g} s each way in turns, pocket, one thread."
    )
    late = percentile(delays, 0.99) if delays else math.nan
    return [
        Measurement(
            "watchers.training", now, "tokens/s", "the same training unwatched", before,
            f"Medians; {100 * slower:.1f} % slower. {how}",
            f"under {100 * GOAL_SLOWER:.0f} % slower", slower < GOAL_SLOWER,
        ),
        Measurement(
            "watchers.events", len(delays), "events shown", "events times watchers", pairs,
            f"Each within {late:.2f} s (99th percentile; median "
            f"{statistics.median(delays):.2f} s), in {panels:,} panels. {how}",
            "each reaches all", len(delays) == pairs > 0,
        ),
    ]  # fmt: skip
