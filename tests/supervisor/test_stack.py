"""The supervisor with real processes: Redis and the web process of a site in a scratch folder."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mosaic_site.settings.paths import redis_socket
from mosaic_site.supervisor import Stack, StackError
from mosaic_site.supervisor.machine import free_port
from mosaic_site.supervisor.stack import REPOSITORY

MANAGE = [sys.executable, str(REPOSITORY / "manage.py")]


def eventually(happened: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            code: int = answer.status
            return code
    except OSError:
        return 0


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, said: list[str]) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("site")
    with Stack(home, services=("redis", "web"), say=said.append) as running:
        yield running


def test_pages_are_answered_once_started(stack: Stack) -> None:
    assert status(f"{stack.url}/healthz") == 200
    assert set(stack.pids) == {"redis", "web"}


@pytest.mark.parametrize("name", ["web", "redis"])
def test_a_killed_service_comes_back(stack: Stack, said: list[str], name: str) -> None:
    before = stack.pids[name]
    stack.kill(name)
    assert eventually(lambda: stack.pids.get(name, before) != before)
    assert any(line.startswith(f"{name} was killed by SIGKILL; it starts again") for line in said)
    assert eventually(lambda: status(f"{stack.url}/healthz") == 200)
    assert eventually(redis_socket(stack.home).exists)


def test_a_second_start_on_the_same_home_says_where_the_first_runs(stack: Stack) -> None:
    with pytest.raises(StackError, match=rf"already running on {stack.home}: {stack.url} "):
        Stack(stack.home, services=("redis",)).start()
    assert status(f"{stack.url}/healthz") == 200


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = Stack(tmp_path, services=("redis", "web"), port=port)
        with pytest.raises(StackError, match=rf"Port {port} .* MOSAIC_PORT={port + 1} make run"):
            stack.start()
    assert stack.pids == {}
    # The failed start holds nothing: the same home starts on another port.
    with Stack(tmp_path, services=("redis",)) as again:
        assert set(again.pids) == {"redis"}


def test_a_service_that_cannot_start_says_why_and_where_to_read(tmp_path: Path) -> None:
    stack = Stack(tmp_path, services=("web",), env={"DJANGO_SETTINGS_MODULE": "no_such_settings"})
    with pytest.raises(StackError, match=r"No module named 'no_such_settings'.*migrate\.log"):
        stack.start()


def test_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / ("a folder with a very long name " * 4).strip()
    stack = Stack(home, services=("redis",))
    stack.start()
    pids = stack.pids
    assert redis_socket(home).exists()
    stack.stop()
    assert not any(exists(pid) for pid in pids.values())
    assert not redis_socket(home).exists()
    assert stack.pids == {}


def test_services_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib; from mosaic_site.supervisor import Stack\n"
        "stack = Stack(pathlib.Path(sys.argv[1]), services=('redis', 'worker-default'))\n"
        "stack.start(); print(*stack.pids.values(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        supervisor.kill()
    assert len(pids) == 2
    assert eventually(lambda: not any(exists(pid) for pid in pids))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_run_command_runs_all_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    port = free_port()
    environment = os.environ | {
        "MOSAIC_HOME": str(tmp_path),
        "MOSAIC_PORT": str(port),
        "MOSAIC_DEMO": "0",
        "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.local",
    }
    with subprocess.Popen(
        [*MANAGE, "run"], env=environment, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        said = [command.stdout.readline() for _ in range(3)]
        assert f"Mosaic runs at http://127.0.0.1:{port}\n" in said
        assert status(f"http://127.0.0.1:{port}/healthz") == 200
        command.send_signal(number)
        rest = command.stdout.read()
    assert "Mosaic has stopped." in rest
    assert command.returncode == 0
    assert status(f"http://127.0.0.1:{port}/healthz") == 0
