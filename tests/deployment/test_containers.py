"""Dockerfile and compose.yaml start what the supervisor starts, and set what the settings read."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mosaic_site.management.commands import service as command
from mosaic_site.supervisor.machine import free_port
from mosaic_site.supervisor.services import ALL, service
from tests.architecture.source import ROOT
from tests.architecture.test_settings import OF_OTHERS, read_by_the_code
from tests.site.stack import eventually

# Compose's names for our services, and ours.
RUNS = {
    "web": "web",
    "worker": "worker-default",
    "checks-worker": "worker-checks",
    "gpu-worker": "worker-gpu",
    "beat": "beat",
    "serving": "serving",
}
FOREIGN = {"postgres", "redis"}
PINNED = re.compile(r".+:\d+\.\d+(\.\d+)?-[a-z-]+")
# Of the base image's tools, not of Mosaic.
PLAIN = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "TOKENIZERS_PARALLELISM",
         "OMP_NUM_THREADS", "PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK"}  # fmt: skip


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile and what follows them, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    for line in joined.splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


@pytest.fixture(scope="module")
def dockerfile() -> list[tuple[str, str]]:
    return list(instructions((ROOT / "Dockerfile").read_text("utf-8")))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return loaded


def test_the_image_is_pinned_small_and_runs_as_nobody_special(
    dockerfile: list[tuple[str, str]],
) -> None:
    bases = [rest.split()[0] for word, rest in dockerfile if word == "FROM"]
    assert len(bases) == 2 and all(PINNED.fullmatch(base) for base in bases)
    words = [word for word, _ in dockerfile]
    assert ("USER", "mosaic") in dockerfile
    assert words.index("USER") < words.index("CMD")
    [check] = [rest for word, rest in dockerfile if word == "HEALTHCHECK"]
    assert "--check" in check


def test_only_what_the_site_needs_gets_into_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert lines[0] == "*"
    assert all((ROOT / name).exists() for name in let_in)
    assert {"manage.py", "mosaic_site", "templates", "static"} <= let_in
    assert not {".env", "mosaic.env", "var", "tests", ".git"} & let_in


def test_compose_has_every_service_of_the_supervisor(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*RUNS, *FOREIGN, "migrate"}
    assert {*RUNS.values(), "redis"} == set(ALL)
    for name, ours in RUNS.items():
        python, manage, verb, which, *options = compose["services"][name]["command"]
        assert (python, manage, verb, which) == ("python", "manage.py", "service", ours)
        parser = command.Command().create_parser("manage.py", "service")
        assert parser.parse_args([which, *options]).name == ours


def test_all_migrations_are_applied_before_anything_starts(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services["migrate"]["command"] == ["python", "manage.py", "migrate", "--no-input"]
    for name in RUNS:
        needs = services[name]["depends_on"]
        assert needs["migrate"] == {"condition": "service_completed_successfully"}
        assert needs["redis"] == {"condition": "service_healthy"}
    assert all(PINNED.fullmatch(services[name]["image"]) for name in FOREIGN)


def test_images_and_containers_set_names_that_are_read(
    compose: dict[str, Any], dockerfile: list[tuple[str, str]]
) -> None:
    read = {one.name for one in read_by_the_code()} | OF_OTHERS | PLAIN
    set_by_image = {
        pair.partition("=")[0]
        for word, rest in dockerfile
        if word == "ENV"
        for pair in rest.split()
    }
    assert set_by_image <= read
    for name in (*RUNS, "migrate"):
        assert set(compose["services"][name]["environment"]) <= read


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc on this system")
@pytest.mark.parametrize("name", command.NAMES)
def test_the_command_becomes_the_process_that_the_supervisor_starts(
    name: str, tmp_path: Path
) -> None:
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.local", "MOSAIC_HOME": str(tmp_path)
    }  # fmt: skip
    port = free_port()
    line = [sys.executable, "manage.py", "service", name, "--port", str(port)]
    wanted = list(service(name, tmp_path, port).command)
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(line, cwd=ROOT, env=env, stdout=said, stderr=said)
    try:
        # `nice` becomes the program that it starts.
        wanted = wanted[3:] if wanted[0] == "nice" else wanted
        eventually("it has become the service", lambda: running(process.pid) == wanted)
    finally:
        process.kill()
        process.wait()


def running(pid: int) -> list[str]:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    return [word.decode() for word in words]
