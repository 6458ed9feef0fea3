"""Staying in touch while a job runs: a sign of life, news for the page, and the question whether
to go on."""

import signal
import time
from collections.abc import Callable
from threading import Event, current_thread, main_thread
from types import FrameType, TracebackType
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from mosaic_site.pulse import Pulse
from training_workers.actions import job_beat, job_report
from training_workers.models import Job

BEAT_EVERY_SECONDS = 2.0
REPORT_EVERY_SECONDS = 1.0


class Heartbeat:
    """Beats from a thread of its own, so that a long step does not look like a death.

    As a context manager around a job's work. `should_stop()` is cheap and may be asked at every
    step; `report()` sends at most one progress event a second, and always the first of a phase
    and its last step, so that the curve that stays ends where the training did.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._stop = Event()
        self._pulse = Pulse(self._beat, every=BEAT_EVERY_SECONDS)
        self._reported_at, self._phase = 0.0, ""
        self._before: Any = None
        # Whether this worker was told to end, as for an upgrade: its job is for another one.
        self.leaving = False

    def __enter__(self) -> "Heartbeat":
        if current_thread() is main_thread():  # the only one that may listen to signals
            self._before = signal.signal(signal.SIGTERM, self._leave)
        self._pulse.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        self._pulse.__exit__(kind, error, traceback)

    def _leave(self, number: int, frame: FrameType | None) -> None:
        self.leaving = True
        self._stop.set()

    def _beat(self) -> None:
        if not job_beat(job=self.job):
            self._stop.set()

    def should_stop(self) -> bool:
        """Whether the job was cancelled or given to another worker, or this one is to end."""
        return self._stop.is_set()

    def report(self, phase: str, **data: Any) -> None:
        """Tell the page where the work stands."""
        now = time.monotonic()
        is_last = "step" in data and data["step"] == data.get("steps")
        if is_last or phase != self._phase or now - self._reported_at >= REPORT_EVERY_SECONDS:
            self._reported_at, self._phase = now, phase
            try:
                job_report(job=self.job, kind="progress", data={"phase": phase, **data})
            except (OperationalError, InterfaceError):
                # The database is away, as while it restarts: the work goes on without the news.
                connection.close()

    def less_memory(self, rows: int) -> None:
        """Tell the page that fewer rows are read at a time from here on."""
        reason = (
            f"From here on {rows} row{'s are' if rows > 1 else ' is'} read at a time, and their "
            "gradients added up: a step sees the same tokens as before."
        )
        job_report(job=self.job, kind="out of memory", data={"reason": reason, "rows": rows})

    def counting(self, phase: str) -> Callable[[int, int], None]:
        """A callback (done, of) that reports under one phase."""
        return lambda done, of: self.report(phase, step=done, steps=of)
