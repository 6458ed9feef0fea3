"""Uploading in parts, through the endpoints that the page and programs share."""

from __future__ import annotations

import base64
import errno
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from contributions import actions
from contributions.models import Dataset, DatasetVersion, Upload
from contributions.models.upload import JOIN_TIMEOUT
from mosaic_site.errors import Refused
from tests.factories import CSV, make_dataset, make_upload, make_user, send_parts

pytestmark = pytest.mark.django_db

START = reverse("api:uploads")
PART_BYTES = 16


@pytest.fixture(autouse=True)
def small_parts(settings: Settings) -> None:
    settings.MOSAIC_PART_BYTES = PART_BYTES


@pytest.fixture
def ada(client: Client) -> Client:
    client.force_login(make_user("ada"))
    return client


def started(client: Client, content: bytes, **fields: Any) -> dict[str, Any]:
    fields = {"name": "Bikes"} | fields | {"filename": "bikes.csv", "size": len(content)}
    answer = client.post(START, fields)
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def put(client: Client, url: str, number: int, part: bytes, *, sent: bytes | None = None) -> Any:
    """Send `part`; `sent` is what the line makes of it."""
    digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
    return client.put(
        f"{url}?part={number}",
        part if sent is None else sent,
        content_type="application/octet-stream",
        headers={"Content-Digest": f"sha-256=:{digest}:"},
    )


def cut(content: bytes) -> list[tuple[int, bytes]]:
    starts = range(0, len(content), PART_BYTES)
    return [(n, content[start : start + PART_BYTES]) for n, start in enumerate(starts, 1)]


def send_all(client: Client, url: str, content: bytes) -> None:
    for number, part in cut(content):
        assert put(client, url, number, part).status_code == 200


def finished(client: Client, upload: dict[str, Any]) -> dict[str, Any]:
    """Finish it, let a worker put it together, and look at it again."""
    answer = client.post(upload["finish"])
    assert (answer.status_code, answer.json()["status"]) == (202, "joining"), answer.content
    actions.reconcile_uploads()
    told: dict[str, Any] = client.get(upload["url"]).json()
    return told


def files() -> set[str]:
    """Everything in the storage."""
    root = Path(default_storage.path(""))
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def content_of(version: DatasetVersion) -> bytes:
    with version.file.open("rb") as file:
        content: bytes = file.read()
    return content


class FullStorage(FileSystemStorage):
    """On a disk without room: what is written breaks off."""

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        super().save(name, content, max_length)
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_in_parts_becomes_a_dataset_that_is_checked(ada: Client) -> None:
    upload = started(ada, CSV.encode())
    send_all(ada, upload["url"], CSV.encode())

    made = finished(ada, upload)

    version = DatasetVersion.objects.get(pk=made["version"])
    assert (made["status"], made["page"]) == ("finished", version.get_absolute_url())
    assert made["sha256"] == version.sha256 == hashlib.sha256(CSV.encode()).hexdigest()
    assert (version.dataset.name, version.filename) == ("Bikes", "bikes.csv")
    assert content_of(version) == CSV.encode()
    actions.reconcile()
    version.refresh_from_db()
    assert (version.status, version.rows) == ("valid", 2)


def test_it_can_be_the_next_version_of_a_dataset(client: Client) -> None:
    owner = make_user()
    dataset = make_dataset(owner)
    client.force_login(owner)
    upload = started(client, CSV.encode(), name="", dataset=dataset.pk)
    send_all(client, upload["url"], CSV.encode())

    finished(client, upload)

    assert dataset.versions.latest("number").number == 2


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_parts_in_any_order_repeated_and_damaged_arrive_whole_or_are_missed(
    ada: Client, data: st.DataObject
) -> None:
    """Whatever the line does, the file is what was sent, or the finish says what is missing."""
    content = data.draw(st.binary(min_size=1, max_size=5 * PART_BYTES))
    upload = started(ada, content, name=uuid.uuid4().hex)
    parts = cut(content)
    whole = set()
    for number, part in data.draw(st.lists(st.sampled_from(parts), max_size=3 * len(parts))):
        sent = data.draw(st.one_of(st.just(part), st.binary(max_size=PART_BYTES)))
        answer = put(ada, upload["url"], number, part, sent=sent)
        if sent == part:
            assert answer.status_code == 200
            whole.add(number)
        elif number not in whole:
            assert answer.status_code in {400, 409, 422}
    here = ada.get(upload["url"]).json()["parts"]
    assert {int(number) for number in here} == whole

    answer = ada.post(upload["finish"])
    actions.reconcile_uploads()

    if len(whole) == len(parts):
        version = Upload.objects.get(pk=upload["id"]).version
        if version is None:  # drawn before, in an earlier example of this test
            assert "has the same content as" in ada.get(upload["url"]).json()["problem"]
        else:
            assert content_of(version) == content
    else:
        assert answer.status_code == 409
        first = min({number for number, _ in parts} - whole)
        assert f"the first of them is part {first}" in answer.json()["detail"]
        ada.delete(upload["url"])
    Upload.objects.open().update(status="aborted")


class TestParts:
    @pytest.fixture
    def upload(self, ada: Client) -> dict[str, Any]:
        return started(ada, CSV.encode())

    def test_damaged_on_the_line_it_is_to_be_sent_again(
        self, ada: Client, upload: dict[str, Any]
    ) -> None:
        before = files()

        answer = put(ada, upload["url"], 1, b"a" * PART_BYTES, sent=b"b" * PART_BYTES)

        assert answer.status_code == 422
        assert answer.json()["remedy"] == "Send this part again."
        assert files() == before

    def test_one_that_is_too_short_says_how_long_it_must_be(
        self, ada: Client, upload: dict[str, Any]
    ) -> None:
        answer = put(ada, upload["url"], 1, b"short")

        assert answer.status_code == 409
        assert "must have 16 bytes, and this has 5" in answer.json()["detail"]

    @pytest.mark.parametrize("number", [0, 6])
    def test_one_beyond_the_end_is_refused(
        self, ada: Client, upload: dict[str, Any], number: int
    ) -> None:
        answer = put(ada, upload["url"], number, b"x" * PART_BYTES)

        assert "has the parts 1 to 5" in answer.json()["detail"]

    def test_another_file_is_noticed(self, ada: Client, upload: dict[str, Any]) -> None:
        put(ada, upload["url"], 1, b"a" * PART_BYTES)

        answer = put(ada, upload["url"], 1, b"b" * PART_BYTES)

        assert answer.status_code == 409
        assert "this is not the same file" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("query", "digest"),
        [
            ("", "sha-256=:" + "A" * 43 + "=:"),
            ("?part=one", "sha-256=:" + "A" * 43 + "=:"),
            ("?part=" + "9" * 5000, "sha-256=:" + "A" * 43 + "=:"),
            ("?part=1", ""),
            ("?part=1", "sha-256=:short:"),
            ("?part=1", "md5=:AAAA:"),
        ],
        ids=["no number", "a word", "huge", "no hash", "broken hash", "another hash"],
    )
    def test_what_it_lacks_is_said(
        self, ada: Client, upload: dict[str, Any], query: str, digest: str
    ) -> None:
        answer = ada.put(upload["url"] + query, b"x" * 16, headers={"Content-Digest": digest})

        assert answer.status_code == 400
        assert "Content-Digest: sha-256=:BASE64:" in answer.json()["detail"]


class TestStart:
    def test_again_with_the_same_once_is_the_same(self, ada: Client) -> None:
        once = str(uuid.uuid4())

        first, second = (started(ada, b"abc", once=once) for _ in range(2))

        assert first["id"] == second["id"]

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"name": "", "dataset": ""}, "Say either what the new dataset is called"),
            ({"name": "A", "dataset": "1"}, "Say either what the new dataset is called"),
            ({"size": "0"}, "size: The file is empty."),
            ({"size": "many"}, "size: Enter a whole number."),
            ({"name": "x" * 81}, "name: Ensure this field has no more than 80 characters"),
            ({"filename": "a\0b"}, "filename: Null characters are not allowed."),
            ({"once": "twice"}, "once: Enter a valid UUID."),
        ],
    )
    def test_a_field_that_is_wrong_is_named(
        self, ada: Client, fields: dict[str, str], sentence: str
    ) -> None:
        answer = ada.post(START, {"name": "Bikes", "filename": "a.csv", "size": "9"} | fields)

        assert answer.status_code == 400
        assert sentence in answer.json()["detail"]
        assert not Upload.objects.exists()

    def test_a_dataset_of_somebody_else_is_not_there(self, ada: Client) -> None:
        dataset = make_dataset(make_user())
        fields = {"dataset": dataset.pk, "filename": "a.csv", "size": 9}

        assert ada.post(START, fields).status_code == 404

    def test_over_the_limit_of_a_file(self, ada: Client, settings: Settings) -> None:
        settings.MOSAIC_FILE_LIMIT_BYTES = 2 * 2**20
        answer = ada.post(START, {"name": "B", "filename": "big.csv", "size": 3 * 2**20})

        assert answer.status_code == 409
        assert "big.csv has 3.00 MiB, more than the 2.00 MiB" in answer.json()["detail"]
        assert answer.json()["remedy"].startswith("Split it")

    def test_room_is_reserved_until_it_is_given_up(self, ada: Client, settings: Settings) -> None:
        settings.MOSAIC_QUOTA_BYTES = 100
        upload = started(ada, b"x" * 60)
        second = {"name": "Second", "filename": "b.csv", "size": 60}

        refused = ada.post(START, second)
        ada.delete(upload["url"])
        taken = ada.post(START, second)

        assert (refused.status_code, taken.status_code) == (409, 201)
        assert "are free" in refused.json()["detail"]

    def test_what_a_form_brings_counts_too(self, ada: Client, settings: Settings) -> None:
        settings.MOSAIC_QUOTA_BYTES = len(CSV) + 10
        started(ada, b"x" * 20)
        file = {"once": str(uuid.uuid4()), "name": "Mine"}
        with Path(default_storage.path("")).joinpath("mine.csv").open("w+b") as mine:
            mine.write(CSV.encode())
            mine.seek(0)
            page = ada.post(reverse("contributions:dataset_new"), file | {"file": mine})
        Path(default_storage.path("mine.csv")).unlink()

        assert "are free" in page.content.decode()
        assert not Dataset.objects.exists()

    def test_only_so_many_may_be_unfinished(self, ada: Client, settings: Settings) -> None:
        settings.MOSAIC_OPEN_UPLOADS = 1
        started(ada, b"abc")

        answer = ada.post(START, {"name": "Second", "filename": "b.csv", "size": 3})

        assert "You have 1 unfinished uploads" in answer.json()["detail"]

    def test_its_name_is_taken_until_it_ends(self, ada: Client) -> None:
        upload = started(ada, b"abc")
        again = {"name": "Bikes", "filename": "b.csv", "size": 3}

        refused = ada.post(START, again)
        ada.delete(upload["url"])

        assert "An unfinished upload of yours is called “Bikes”" in refused.json()["detail"]
        assert ada.post(START, again).status_code == 201


class TestFinish:
    def test_twice_is_one_version(self, ada: Client) -> None:
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())

        first, second = (ada.post(upload["finish"]).json() for _ in range(2))
        third = finished(ada, upload) if first == second else None
        answer = ada.post(upload["finish"])

        assert (answer.status_code, answer.json()) == (202, third)
        assert DatasetVersion.objects.count() == 1

    def test_the_same_content_again_is_named_and_nothing_is_lost(self, ada: Client) -> None:
        for name in ("First", "Second"):
            upload = started(ada, CSV.encode(), name=name)
            send_all(ada, upload["url"], CSV.encode())
            told = finished(ada, upload)

        assert "the same content as First, version 1" in told["problem"]
        assert told["status"] == "open" and len(told["parts"]) == 5
        page = ada.get(told["page"]).content.decode()
        assert told["problem"] in unescape(page) and told["remedy"] in page
        assert not Dataset.objects.filter(name="Second").exists()

    def test_while_it_is_put_together_it_is_neither_changed_nor_given_up(self, ada: Client) -> None:
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())
        ada.post(upload["finish"])

        assert "is put together now" in ada.delete(upload["url"]).json()["detail"]
        assert put(ada, upload["url"], 1, CSV.encode()[:16]).status_code == 409
        assert "A worker puts its parts together" in ada.get(upload["page"]).content.decode()
        assert ada.get(upload["page"], headers={"HX-Request": "true"}).status_code == 204
        assert ada.get(START).json()["allowance"]["used"] == len(CSV)
        taken = {"name": "Bikes", "filename": "a.csv", "size": 9}
        assert "is called “Bikes”" in ada.post(START, taken).json()["detail"]

    def test_a_worker_that_was_lost_at_it_is_replaced(self, ada: Client) -> None:
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())
        ada.post(upload["finish"])
        Upload.objects.update(joining_since=timezone.now())

        actions.reconcile_uploads()
        assert ada.get(upload["url"]).json()["status"] == "joining"
        Upload.objects.update(joining_since=timezone.now() - 2 * JOIN_TIMEOUT)
        actions.reconcile_uploads()
        assert ada.get(upload["url"]).json()["status"] == "finished"

    def test_where_there_is_no_room_it_can_be_finished_once_more(
        self, ada: Client, settings: Settings
    ) -> None:
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())
        before, storages = files(), settings.STORAGES
        backend = f"{FullStorage.__module__}.{FullStorage.__name__}"
        settings.STORAGES = storages | {"default": {"BACKEND": backend}}

        told = finished(ada, upload)

        assert told["status"] == "open" and "no room for it" in told["problem"]
        assert files() == before
        settings.STORAGES = storages
        assert finished(ada, upload)["status"] == "finished"

    def test_the_parts_are_deleted_when_it_is_done(self, ada: Client) -> None:
        before = files()
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())

        finished(ada, upload)

        assert {name.split("/")[0] for name in files() - before} == {"datasets"}
        assert put(ada, upload["url"], 1, CSV.encode()[:16]).status_code == 409

    def test_its_page_leads_to_what_came_of_it(self, ada: Client) -> None:
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())
        made = finished(ada, upload)

        assert ada.get(upload["page"]).headers["Location"] == made["page"]
        watching = ada.get(upload["page"], headers={"HX-Request": "true"})
        assert watching.headers["HX-Redirect"] == made["page"]


class TestEnd:
    def test_given_up_it_leaves_nothing(self, ada: Client) -> None:
        before = files()
        upload = started(ada, CSV.encode())
        put(ada, upload["url"], 1, CSV.encode()[:16])
        assert files() != before

        for _ in range(2):
            assert ada.delete(upload["url"]).status_code == 204
        actions.reconcile_uploads()

        assert files() == before
        assert "was deleted" in put(ada, upload["url"], 1, CSV.encode()[:16]).json()["detail"]
        assert files() == before
        assert "was deleted" in ada.post(upload["finish"]).json()["detail"]
        assert "It was deleted." in ada.get(upload["page"]).content.decode()

    def test_abandoned_it_expires(self, ada: Client, settings: Settings) -> None:
        before = files()
        upload = started(ada, CSV.encode())
        put(ada, upload["url"], 1, CSV.encode()[:16])
        days = timedelta(days=settings.MOSAIC_UPLOAD_EXPIRY_DAYS)
        row = Upload.objects.get()

        Upload.objects.update(touched_at=row.touched_at - days / 2)
        actions.reconcile_uploads()
        assert ada.get(upload["url"]).json()["status"] == "open"
        Upload.objects.update(touched_at=row.touched_at - days)
        actions.reconcile_uploads()

        assert files() == before
        assert ada.get(upload["url"]).json()["status"] == "expired"
        assert ada.get(START).json()["allowance"]["used"] == 0
        assert "so it expired" in ada.get(upload["page"]).content.decode()

    def test_a_part_keeps_it_alive(self, ada: Client, settings: Settings) -> None:
        upload = started(ada, CSV.encode())
        days = timedelta(days=settings.MOSAIC_UPLOAD_EXPIRY_DAYS)
        Upload.objects.update(touched_at=Upload.objects.get().touched_at - days)
        put(ada, upload["url"], 1, CSV.encode()[:16])

        actions.reconcile_uploads()

        assert ada.get(upload["url"]).json()["status"] == "open"


def test_the_list_shows_what_is_unfinished_and_its_room(ada: Client) -> None:
    page_url = reverse("contributions:upload_list")
    assert "Nothing is unfinished" in ada.get(page_url).content.decode()
    upload = started(ada, CSV.encode())
    put(ada, upload["url"], 1, CSV.encode()[:16])

    page = ada.get(page_url).content.decode()

    assert "bikes.csv" in page and "For the new dataset “Bikes”" in page
    assert f'value="16" max="{len(CSV)}"' in page
    assert "1 unfinished upload</a> of at most 5" in page
    assert "2,048 MiB" in page and "10,240 MiB of 10,240 MiB are free" in page
    [told] = ada.get(START).json()["uploads"]
    assert told["parts"] == {"1": hashlib.sha256(CSV.encode()[:16]).hexdigest()}


@pytest.mark.parametrize("page", ["dataset_new", "upload_list"])
def test_limits_are_shown_before_a_file_is_chosen(ada: Client, page: str) -> None:
    text = ada.get(reverse(f"contributions:{page}")).content.decode()

    assert "At most 2,048 MiB, in parts" in text
    assert "without JavaScript at most 200 MiB" in text


def test_what_somebody_else_uploads_is_not_there(ada: Client) -> None:
    upload = make_upload(make_user())
    url = reverse("api:upload", args=[upload.pk])

    answers = [
        put(ada, url, 1, CSV.encode()[:16]),
        ada.get(url),
        ada.delete(url),
        ada.post(reverse("api:upload_finish", args=[upload.pk])),
        ada.post(reverse("contributions:upload_delete", args=[upload.pk])),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert "not yours" in answers[0].json()["detail"]
    upload.refresh_from_db()
    assert upload.status == "open"


def test_a_page_elsewhere_cannot_upload_with_somebodys_session() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_user())
    url = reverse("api:upload", args=[make_upload(make_user()).pk])

    assert strict.post(START, {"name": "B", "filename": "a", "size": 1}).status_code == 403
    assert put(strict, url, 1, b"x").status_code == 403
    assert not Upload.objects.filter(name="B").exists()


class TestStorage:
    def test_any_of_djangos_storages_will_do(self, ada: Client, settings: Settings) -> None:
        backend = "django.core.files.storage.InMemoryStorage"
        settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
        upload = started(ada, CSV.encode())
        send_all(ada, upload["url"], CSV.encode())
        ada.post(upload["finish"])

        actions.reconcile_uploads()
        actions.reconcile()

        version = DatasetVersion.objects.get()
        assert (version.status, content_of(version)) == ("valid", CSV.encode())
        assert default_storage.listdir("uploads") == ([], [])

    def test_a_full_disk_leaves_no_half_a_file(self, ada: Client, settings: Settings) -> None:
        upload = started(ada, CSV.encode())
        backend = f"{FullStorage.__module__}.{FullStorage.__name__}"
        settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
        before = files()

        answer = put(ada, upload["url"], 1, CSV.encode()[:16])

        assert answer.status_code == 507 and "disk is full" in answer.json()["detail"]
        assert files() == before


def together(acts: Iterable[Callable[[], object]]) -> list[object]:
    """What each of the acts gives or refuses, begun at the same moment in threads of their own."""
    acts = list(acts)
    gate, outcomes = threading.Barrier(len(acts)), []

    def one(act: Callable[[], object]) -> None:
        gate.wait()
        try:
            outcomes.append(act())
        except Refused as refused:
            outcomes.append(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_finished_by_several_at_once_it_is_one_version(self) -> None:
        upload = make_upload(make_user())
        send_parts(upload)
        before = files()

        def finish() -> object:
            return actions.upload_finish(upload=Upload.objects.get(pk=upload.pk)).pk

        outcomes = together([finish, finish, finish, actions.reconcile_uploads])
        together([actions.reconcile_uploads] * 3)

        version = DatasetVersion.objects.get()
        assert sorted(map(str, outcomes)) == sorted([str(upload.pk)] * 3 + ["None"])
        actions.reconcile_uploads()
        assert files() - before == {version.file.name}

    def test_finished_and_given_up_at_once_it_is_one_of_both(self) -> None:
        upload = make_upload(make_user())
        send_parts(upload)

        outcomes = together(
            [
                lambda: actions.upload_finish(upload=Upload.objects.get(pk=upload.pk)),
                lambda: actions.upload_abort(upload=Upload.objects.get(pk=upload.pk)),
            ]
        )

        actions.reconcile_uploads()
        upload.refresh_from_db()
        assert upload.status in {"finished", "aborted"}
        assert DatasetVersion.objects.exists() == (upload.status == "finished")
        assert len([one for one in outcomes if isinstance(one, Refused)]) == 1

    def test_the_same_part_twice_at_once_is_kept_once(self) -> None:
        upload = make_upload(make_user())

        together([lambda: send_parts(Upload.objects.get(pk=upload.pk))] * 2)

        assert upload.parts.count() == upload.part_count
        assert {part.stored for part in upload.parts.all()} == {
            name for name in files() if name.startswith(upload.folder)
        }

    def test_nobody_gets_more_than_the_quota(self, settings: Settings) -> None:
        settings.MOSAIC_QUOTA_BYTES = 2 * len(CSV)
        owner = make_user()

        outcomes = together([lambda: make_upload(owner)] * 4)

        assert len([one for one in outcomes if isinstance(one, Upload)]) == 2
        assert Upload.objects.open().count() == 2
