"""Starts the services of one site, starts again what dies, and stops everything."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from mosaic_site.settings.paths import redis_socket
from mosaic_site.supervisor.machine import (
    StackError,
    free_port,
    last_line,
    make_private,
    refuse_port_in_use,
    rotate,
    signal_group,
)
from mosaic_site.supervisor.services import ALL, PAGES, Service, service

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS_TO_BE_READY = 60.0
SECONDS_TO_STOP = 6.0  # for workers and web; Redis follows, and all of it stays within 10
LONGEST_BACK_OFF_SECONDS = 30.0
SECONDS_UNTIL_FORGIVEN = 60.0  # a service that ran this long starts again without a back-off


@dataclass
class _Running:
    service: Service
    process: subprocess.Popen[bytes]
    since: float
    failures: int = 0
    again_at: float | None = None  # set while it waits for its next start


class Stack:
    """The services of the site in `home`; use it as a context manager.

    `services` are names from `ALL`; `port` None takes a free one; `env` is laid over the
    environment of every process; `gpu_workers` is how many GPU workers start; `say` gets one line
    for each thing that happens while it runs. With `REDIS_URL` set no Redis is started.
    """

    def __init__(
        self,
        home: Path,
        services: Sequence[str] = ALL,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        gpu_workers: int = 1,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.home = home.resolve()
        self.port = free_port() if port is None else port
        self._env = _environment(self.home, env or {})
        names = [name for name in ALL if name in services]
        names += [f"worker-gpu-{n}" for n in range(2, gpu_workers + 1) if "worker-gpu" in names]
        if self._env.get("REDIS_URL"):
            names = [name for name in names if name != "redis"]
        self._names = names
        self._say = say
        self._running: dict[str, _Running] = {}
        self._stopping = threading.Event()
        self._monitor: threading.Thread | None = None
        self._lock: IO[str] | None = None
        self._guard: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The address of the web process, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What each process of this site finds in its environment."""
        return dict(self._env)

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each service that runs at this moment."""
        return {name: each.process.pid for name, each in self._running.items() if not each.again_at}

    def log(self, name: str) -> Path:
        """Where the service or command `name` writes what it has to say."""
        return self.home / "logs" / f"{name}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; return once pages are answered.

        Raises StackError, with nothing left running, when `home` is in use, when the port is, or
        when something does not start.
        """
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            self.start_pages()
            self.start_workers()
            undo.pop_all()

    def start_pages(self) -> None:
        """The first half of `start`: migrate the database, start Redis and the web process.

        Raises StackError as `start` does, but what runs by then runs until `stop` is called.
        """
        self._prepare_home()
        if "web" in self._names:
            refuse_port_in_use(self.port)
        self.manage("migrate", "--no-input")
        self._launch_all([name for name in self._names if name in PAGES])
        self._monitor = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._monitor.start()

    def start_workers(self) -> None:
        """The second half of `start`: the services that load models, which takes them a while."""
        self._launch_all([name for name in self._names if name not in PAGES])

    def stop(self) -> None:
        """Stop everything in reverse order, within 10 seconds. Harmless when nothing runs."""
        self._stopping.set()
        if self._monitor is not None:
            self._monitor.join()
        everything = [each for each in reversed(self._running.values()) if not each.again_at]
        self._end([each for each in everything if each.service.name != "redis"], SECONDS_TO_STOP)
        self._end([each for each in everything if each.service.name == "redis"], 2.0)
        self._running.clear()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        self._stopping.clear()

    def manage(self, *command: str) -> str:
        """Run `manage.py` with `command` in this site's environment; what it printed.

        Raises StackError when it fails; its log has the reason.
        """
        with self.log(command[0]).open("wb") as errors:
            done = subprocess.run(
                [sys.executable, "manage.py", *command],
                cwd=REPOSITORY,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        if done.returncode != 0:
            raise StackError(f"manage.py {command[0]} failed: {self._reason(command[0])}")
        return done.stdout

    def kill(self, name: str) -> None:
        """Kill the service `name` and its children without a warning (SIGKILL)."""
        signal_group(self._running[name].process.pid, signal.SIGKILL)

    def _prepare_home(self) -> None:
        for folder in ("logs", "media", "run"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        self._lock = (self.home / "run" / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.seek(0)
            where = self._lock.read().strip() or "stopping just now"
            self._lock.close()
            self._lock = None
            raise StackError(f"Mosaic is already running on {self.home}: {where}.") from None
        self._lock.truncate(0)
        self._lock.write(f"{self.url} (process {os.getpid()})\n")
        self._lock.flush()
        # The guard shares the lock: nobody starts on this home before the remains are gone.
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "mosaic_site.supervisor.guard"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            pass_fds=[self._lock.fileno()],
            start_new_session=True,
            text=True,
        )
        if "redis" in self._names:
            make_private(redis_socket(self.home).parent)

    def _launch_all(self, names: Sequence[str]) -> None:
        for name in names:
            rotate(self.log(name))
            try:
                wanted = service(name, self.home, self.port)
            except FileNotFoundError as error:
                raise StackError(str(error)) from error
            self._wait_until_ready(self._launch(wanted))

    def _launch(self, wanted: Service, failures: int = 0) -> _Running:
        with self.log(wanted.name).open("ab") as log:
            process = subprocess.Popen(
                wanted.command,
                cwd=REPOSITORY,
                env={**self._env, **wanted.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Its own process group: Ctrl-C reaches the supervisor alone, which stops each
                # service in its turn, children included.
                start_new_session=True,
            )
        self._tell_guard(f"+{process.pid}")
        running = _Running(wanted, process, time.monotonic(), failures)
        self._running[wanted.name] = running
        return running

    def _wait_until_ready(self, running: _Running) -> None:
        ready = running.service.ready
        deadline = time.monotonic() + SECONDS_TO_BE_READY
        while ready is not None and not ready():
            if running.process.poll() is not None or time.monotonic() > deadline:
                name = running.service.name
                raise StackError(f"{name} did not start: {self._reason(name)}")
            time.sleep(0.05)

    def _reason(self, name: str) -> str:
        return f"{last_line(self.log(name))} (all of it: {self.log(name)})"

    def _watch(self) -> None:
        while not self._stopping.wait(0.2):
            now = time.monotonic()
            for running in list(self._running.values()):
                if running.again_at is None:
                    if running.process.poll() is not None:
                        self._bury(running, now)
                elif now >= running.again_at:
                    self._launch_again(running, now)

    def _launch_again(self, running: _Running, now: float) -> None:
        try:
            self._launch(running.service, running.failures)
        except OSError as error:  # no memory, or no more processes, at this moment
            running.again_at = now + LONGEST_BACK_OFF_SECONDS
            self._say(f"{running.service.name} cannot start at the moment ({error.strerror}).")

    def _bury(self, running: _Running, now: float) -> None:
        name, code = running.service.name, running.process.returncode
        signal_group(running.process.pid, signal.SIGKILL)  # children that it left behind
        self._tell_guard(f"-{running.process.pid}")
        lasted = now - running.since >= SECONDS_UNTIL_FORGIVEN
        running.failures = 1 if lasted else running.failures + 1
        delay = min(0.5 * 2 ** (running.failures - 1), LONGEST_BACK_OFF_SECONDS)
        running.again_at = now + delay
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self._say(f"{name} {how}; it starts again in {delay:g} s (its log: {self.log(name)}).")

    def _end(self, ending: Sequence[_Running], seconds: float) -> None:
        for running in ending:
            # Only the head of the group: a Celery worker tells its children itself, after the
            # task at hand.
            running.process.terminate()
        deadline = time.monotonic() + seconds
        for running in ending:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.process.wait(max(0.0, deadline - time.monotonic()))
            signal_group(running.process.pid, signal.SIGKILL)
            running.process.wait()
            self._tell_guard(f"-{running.process.pid}")

    def _tell_guard(self, line: str) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):  # someone killed the guard: nothing to be done
            self._guard.stdin.write(line + "\n")
            self._guard.stdin.flush()


def _environment(home: Path, env: Mapping[str, str]) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    return {
        **inherited,
        # One thread each: training, serving and pages share the cores by process.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.local",
        "MOSAIC_HOME": str(home),
        **env,
    }
