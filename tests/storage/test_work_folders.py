"""What a job goes on from, on the machine where it began and on another."""

from pathlib import Path

import pytest
from pytest_django import Settings

from mosaic_site.files import listed
from tests.factories import make_user
from tests.servers import Bucket
from tests.training_workers.makers import begin, make_job
from training_workers.models import Job
from training_workers.work_folders import WorkFolder, clear_work, stored_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(bucket: Bucket, settings: Settings) -> Job:
    settings.MOSAIC_CHECKPOINT_COPY_SECONDS = 0
    return begin(make_job(make_user(), make_user(steward=True)))


def again(job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(attempt=job.attempt + 1)
    return Job.objects.get(pk=job.pk)


def write(work: WorkFolder, text: str) -> None:
    file = work.path / "checkpoint" / "state"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)


def read(work: WorkFolder) -> str:
    return (work.path / "checkpoint" / "state").read_text()


def test_another_machine_goes_on_from_the_newest_copy(
    job: Job, settings: Settings, tmp_path: Path
) -> None:
    here = WorkFolder(job)
    here.copy_now_and_then()
    assert listed(stored_folder(job.pk)) == ([], [])  # nothing to go on from
    for text in ("step 1", "step 2"):
        write(here, text)
        here._next_copy = 0.0
        here.copy_now_and_then()
    assert len(listed(stored_folder(job.pk))[1]) == 1
    write(here, "step 3, which nobody copied")

    settings.MOSAIC_HOME = tmp_path / "other"
    there = WorkFolder(again(job))

    assert read(there) == "step 2"


def test_the_same_machine_goes_on_from_its_own(job: Job) -> None:
    here = WorkFolder(job)
    write(here, "step 1")
    here.copy_now_and_then()
    write(here, "step 2")

    assert read(WorkFolder(again(job))) == "step 2"


def test_a_machine_that_was_away_for_an_attempt_takes_the_others_copy(
    job: Job, settings: Settings, tmp_path: Path
) -> None:
    first = settings.MOSAIC_HOME
    write(WorkFolder(job), "step 1 of the first attempt")
    settings.MOSAIC_HOME = tmp_path / "other"
    second = again(job)
    there = WorkFolder(second)
    write(there, "step 9 of the second attempt")
    there.copy_now_and_then()

    settings.MOSAIC_HOME = first
    assert read(WorkFolder(again(second))) == "step 9 of the second attempt"


def test_nothing_is_left_of_a_job_that_has_ended(
    job: Job, bucket: Bucket, settings: Settings
) -> None:
    work = WorkFolder(job)
    write(work, "step 1")
    work.copy_now_and_then()
    clear_work()
    assert work.path.exists() and bucket.names("work/")

    Job.objects.update(status=Job.Status.CANCELLED)
    clear_work()
    assert not work.path.exists() and not bucket.names("work/")
