"""Each worker sees its own GPUs and no other's."""

import itertools
import os
import stat
from pathlib import Path

import pytest

from mosaic_site.supervisor.machine import gpu_workers, gpus, pinned
from mosaic_site.supervisor.services import service


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose driver names two."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho GPU-aaaa\necho GPU-bbbb\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def seen_by(name: str) -> str | None:
    return service(name, Path("home"), 8000).env.get("CUDA_VISIBLE_DEVICES")


def test_a_worker_a_gpu(two_gpus: None) -> None:
    assert gpus() == ["GPU-aaaa", "GPU-bbbb"]
    assert gpu_workers() == 2
    assert [seen_by(name) for name in ("worker-gpu", "worker-gpu-2")] == ["GPU-aaaa", "GPU-bbbb"]
    assert seen_by("worker-default") is None


def test_several_gpus_a_worker(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAIC_GPUS_A_WORKER", "2")
    assert gpu_workers() == 1
    assert seen_by("worker-gpu") == "GPU-aaaa,GPU-bbbb"


def test_what_the_operator_hides_is_not_used(
    two_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpus() == ["1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
    assert seen_by("worker-gpu") is None


def test_more_workers_than_gpus_share_in_turns() -> None:
    visible = [pinned(number, ["0", "1"], 1)["CUDA_VISIBLE_DEVICES"] for number in (1, 2, 3)]
    assert visible == ["0", "1", "0"]


def test_one_job_at_a_time_each_in_a_fresh_child() -> None:
    command = service("worker-gpu-2", Path("home"), 8000).command
    options = dict(itertools.pairwise(command))
    assert options["--pool"] == "prefork"
    assert options["--concurrency"] == options["--max-tasks-per-child"] == "1"
    assert options["-Q"].split(",")[0] == "gpu"
