"""A disk that is full, where a job, a checkpoint, a part or a check is written."""

import base64
import hashlib
import tempfile
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings
from safetensors import SafetensorError

from contributions import actions as bring
from contributions.models import DatasetVersion, Expert, Upload
from mosaic_site import health
from mosaic_site.errors import disk_is_full
from mosaic_site.health import Severity
from mosaic_site.members.models import User
from tests.breaks.conftest import SmallDisk
from tests.factories import make_dataset, make_user
from tests.training_workers.makers import make_job, register_pocket
from training_workers.actions.jobs import ROOM_AGAIN_AFTER
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import load_base
from training_workers.engine.data import Example
from training_workers.engine.training import Progress, Recipe, train_adapter
from training_workers.models import Job
from training_workers.runs.work import work

NEW = {"name": "large", "filename": "a.csv"}
LARGE = "prompt,completion\n" + "".join(f"question {n}?,answer {n}\n" for n in range(10_000))


def part(content: bytes) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Content-Digest": f"sha-256=:{digest}:"}


@pytest.fixture
def owner(db: None) -> User:
    return make_user("ada")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


def test_a_part_without_room_is_refused_in_plain_words_and_can_be_sent_again(
    client: Client, small_disk: SmallDisk, settings: Settings
) -> None:
    settings.MEDIA_ROOT = small_disk.folder
    content = LARGE.encode()
    begun = client.post(
        "/api/v1/uploads/", {"name": "large", "filename": "a.csv", "size": len(content)}
    ).json()

    def send() -> tuple[int, dict[str, object]]:
        answer = client.put(
            f"{begun['url']}?part=1", content, content_type="text/csv", headers=part(content)
        )
        return answer.status_code, answer.json()

    status, said = send()
    assert status == 507
    assert str(said["detail"]).startswith("The site's disk is full, so this was not kept.")
    assert client.get(begun["url"]).json()["parts"] == {}
    assert not [path for path in small_disk.folder.rglob("*") if path.is_file()]
    assert said["remedy"]

    small_disk.enlarge()
    assert send()[0] == 200
    assert client.post(begun["finish"]).status_code == 202
    bring.reconcile_uploads()
    version = Upload.objects.get().version
    assert version is not None
    assert version.sha256 == hashlib.sha256(content).hexdigest()


def test_putting_the_parts_together_without_room_leaves_them_for_another_try(
    client: Client, small_disk: SmallDisk, settings: Settings
) -> None:
    settings.MEDIA_ROOT = small_disk.folder
    content = LARGE.encode()[:40_000]
    begun = client.post(
        "/api/v1/uploads/", {"name": "large", "filename": "a.csv", "size": len(content)}
    ).json()
    sent = client.put(
        f"{begun['url']}?part=1", content, content_type="text/csv", headers=part(content)
    )
    assert sent.status_code == 200

    assert client.post(begun["finish"]).status_code == 202
    bring.reconcile_uploads()
    assert not DatasetVersion.objects.exists()
    upload = Upload.objects.get()
    assert (upload.status, upload.parts.count()) == (Upload.Status.OPEN, 1)
    assert "the site had no room for it" in upload.problem
    small_disk.enlarge()
    assert client.post(begun["finish"]).status_code == 202
    bring.reconcile_uploads()
    assert DatasetVersion.objects.get().sha256 == hashlib.sha256(content).hexdigest()


def test_a_form_without_room_says_so(
    client: Client, small_disk: SmallDisk, settings: Settings
) -> None:
    settings.MEDIA_ROOT = small_disk.folder
    file = SimpleUploadedFile("a.csv", LARGE.encode())
    fields = {"once": str(uuid.uuid4()), "name": "large", "file": file}
    answer = client.post("/datasets/new/", fields)
    assert answer.status_code == 507
    assert "disk is full" in answer.content.decode()
    assert not DatasetVersion.objects.exists()


def test_a_check_without_room_waits_and_does_not_count_against_the_file(
    owner: User, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(owner, content=LARGE, described=False)
    version = dataset.versions.get()
    DatasetVersion.objects.filter(pk=version.pk).update(
        status=DatasetVersion.Status.RECEIVED, check_attempts=0
    )
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk.folder))
    for _ in range(4):  # more often than a check may break off
        bring.version_check(version_id=version.pk)
    version.refresh_from_db()
    assert (version.status, version.check_attempts) == ("received", 0)

    small_disk.enlarge()
    bring.version_check(version_id=version.pk)
    version.refresh_from_db()
    assert version.status == "valid"


@pytest.fixture
def job(owner: User) -> Job:
    register_pocket()
    job = make_job(owner, make_user(steward=True))
    recipe = {"rank": 8, "alpha": 8, "batch_size": 8, "passes": 1, "max_tokens": None}
    assert job.expert is not None
    Expert.objects.filter(pk=job.expert.pk).update(recipe=recipe)
    return job


def test_a_job_without_room_waits_says_why_and_goes_on(
    job: Job, small_disk: SmallDisk, settings: Settings
) -> None:
    settings.MOSAIC_HOME = small_disk.folder
    assert work()
    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED
    assert job.reason.startswith("The disk of the worker ")
    assert "is full. The job is tried again every 2 minutes" in job.reason
    assert job.reason in Client().get(f"/jobs/{job.pk}/").content.decode()
    [room] = [one for one in health.examine() if one.check == "room" and "checkpoints" in one.what]
    assert room.severity == Severity.ERROR
    assert not work()  # it is not tried at once again

    small_disk.enlarge()
    with time_machine.travel(timezone.now() + ROOM_AGAIN_AFTER, tick=True):
        assert work()
    job.refresh_from_db()
    assert (job.status, job.attempt, job.lost) == (Job.Status.DONE, 2, 0)
    assert Expert.objects.get().status == Expert.Status.ELIGIBLE


def test_an_adapter_that_cannot_be_kept_leaves_nothing_behind(
    job: Job, small_disk: SmallDisk, settings: Settings, tmp_path: Path
) -> None:
    settings.MOSAIC_HOME, settings.MEDIA_ROOT = tmp_path, small_disk.folder
    for version in DatasetVersion.objects.all():  # the data lies where there was room
        target = small_disk.folder / str(version.rows_file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b'{"prompt": "hello", "completion": "you"}\n')
    assert work()
    job.refresh_from_db()
    assert job.status == Job.Status.QUEUED
    assert "is full" in job.reason
    assert not [path for path in small_disk.folder.rglob("*.safetensors")]


def test_a_checkpoint_without_room_leaves_the_whole_one_before_it(
    small_disk: SmallDisk, tmp_path: Path
) -> None:
    """Then the run goes on from there, with the losses of one that was never broken off."""
    base = load_base(str(POCKET))
    examples = [Example(f"question {n}?", f"answer {n}") for n in range(40)]
    recipe = Recipe(rank=4, alpha=8, batch_size=4, passes=1)
    filler = small_disk.folder / "filler"

    def train(work: Path, steps: list[int]) -> list[tuple[int, float]]:
        def watch(progress: Progress) -> None:
            steps.append(progress.step)
            if work.is_relative_to(small_disk.folder) and progress.step == 3 and filler.exists():
                # No room for the next one beside this.
                with suppress(OSError):
                    filler.write_bytes(b"\0" * (64 * 2**20))

        return train_adapter(
            base,
            examples,
            recipe,
            out=tmp_path / "out",
            work=work,
            on_progress=watch,
            should_stop=lambda: False,
            checkpoint_every_seconds=0.0,
        ).losses

    unbroken = train(tmp_path / "work", [])
    small_disk.enlarge()
    filler.touch()
    with pytest.raises((OSError, SafetensorError)) as full:
        train(small_disk.folder / "work", [])
    assert disk_is_full(full.value)
    filler.unlink()
    assert [path.name for path in (small_disk.folder / "work").iterdir()] == [
        "checkpoint.safetensors"
    ]
    steps: list[int] = []
    assert train(small_disk.folder / "work", steps) == unbroken
    assert steps[0] == 4
