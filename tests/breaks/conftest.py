"""What the tests of broken things share: a real Redis, and a disk that can be full."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training_workers.conftest import line, redis_server

__all__ = ["line", "redis_server"]


class SmallDisk:
    """A file system of its own in memory, of so many KiB; more can be added."""

    def __init__(self, folder: Path, kib: int) -> None:
        self.folder = folder
        self._mount(f"size={kib}k")

    def enlarge(self) -> None:
        self._mount("remount,size=64m")

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def _mount(self, options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """64 KiB, at `tmp_path`/disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        disk = SmallDisk(folder, 64)
    except (OSError, subprocess.CalledProcessError) as reason:
        pytest.skip(f"no file system can be mounted here: {reason}")
    yield disk
    disk.remove()
