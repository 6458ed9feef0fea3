"""Where jobs keep what they go on from: a folder of the machine, and a copy of it in the storage.

A job that goes on where it began finds its last checkpoint in its folder. One that is taken up on
another machine unpacks the newest copy, which is a little older.
"""

import shutil
import tarfile
import time
from pathlib import Path

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.files.temp import NamedTemporaryFile

from mosaic_site.files import folder_delete, listed
from training_workers.models import Job

STORED = "work"
# The last attempt whose state the folder has.
ATTEMPT = "attempt"
# Copying takes at most this share of a job's time.
SHARE = 0.05


class WorkFolder:
    """The folder of a job's attempt, with what the attempt before had come to."""

    def __init__(self, job: Job) -> None:
        self.path = work_folder(job)
        self._job = job
        self._copies = 0
        self._copied = 0
        self._next_copy = time.monotonic() + settings.MOSAIC_CHECKPOINT_COPY_SECONDS
        if job.attempt > 1 and self._attempt_here() != job.attempt - 1:
            self._unpack()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / ATTEMPT).write_text(str(job.attempt))

    def copy_now_and_then(self) -> None:
        """Copy the folder to the storage, if it is time to and there is news in it. To be called
        between two steps."""
        if time.monotonic() < self._next_copy or self._newest() == self._copied:
            return
        began, self._copied = time.monotonic(), self._newest()
        self._copy()
        took = time.monotonic() - began
        pause = max(settings.MOSAIC_CHECKPOINT_COPY_SECONDS, took / SHARE)
        self._next_copy = time.monotonic() + pause

    def _newest(self) -> int:
        """When something was written last, in nanoseconds; 0 for nothing to go on from."""
        files = (path for path in self.path.rglob("*") if path.is_file() and path.name != ATTEMPT)
        return max((path.stat().st_mtime_ns for path in files), default=0)

    def _attempt_here(self) -> int:
        try:
            return int((self.path / ATTEMPT).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _unpack(self) -> None:
        """The newest copy takes the place of what is here, if there is one."""
        _, copies = listed(stored_folder(self._job.pk))
        if not copies:
            return
        arriving = self.path.with_name(f"{self.path.name}.arriving")
        shutil.rmtree(arriving, ignore_errors=True)
        with (
            default_storage.open(f"{stored_folder(self._job.pk)}/{copies[-1]}") as stored,
            tarfile.open(fileobj=stored, mode="r") as archive,
        ):
            archive.extractall(arriving, filter="data")
        shutil.rmtree(self.path, ignore_errors=True)
        arriving.rename(self.path)

    def _copy(self) -> None:
        self._copies += 1
        folder = stored_folder(self._job.pk)
        _, before = listed(folder)
        name = f"{self._job.attempt:06}-{self._copies:06}.tar"
        with NamedTemporaryFile(suffix=".tar") as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(self.path, arcname=".")
            packed.seek(0)
            default_storage.save(f"{folder}/{name}", File(packed))
        for older in before:
            default_storage.delete(f"{folder}/{older}")


def work_folder(job: Job) -> Path:
    """Where a job keeps its checkpoints on this machine, the same for every attempt."""
    return _work() / f"job-{job.pk}"


def stored_folder(job_id: int) -> str:
    return f"{STORED}/job-{job_id}"


def clear_work() -> None:
    """Remove what jobs that have come to an end left behind, here and in the storage, whoever
    ended them."""
    # Before asking which jobs are active: none begins in between that would be taken for ended.
    here = list(_work().glob("job-*"))
    stored, _ = listed(STORED)
    active = {f"job-{pk}" for pk in Job.objects.active().values_list("pk", flat=True)}
    for folder in here:
        if folder.name.partition(".")[0] not in active:
            shutil.rmtree(folder, ignore_errors=True)
    for name in stored:
        if name not in active:
            folder_delete(f"{STORED}/{name}")


def _work() -> Path:
    return Path(settings.MOSAIC_HOME) / "work"
