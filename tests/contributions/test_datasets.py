"""Uploading, checking, describing and publishing datasets, through the pages."""

import io
import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from contributions import actions
from contributions.models import Dataset, DatasetVersion
from tests.factories import CSV, make_dataset, make_expert, make_priority, make_user
from training_workers.runs.preparing import examples_of

pytestmark = pytest.mark.django_db

NEW = reverse("contributions:dataset_new")


def form(content: bytes | str, *, filename: str = "data.csv", **changes: str) -> dict[str, object]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    file.name = filename
    return {"once": str(uuid.uuid4()), "name": "My data", "file": file} | changes


def uploaded(client: Client, content: bytes | str, **changes: str) -> DatasetVersion:
    """Upload through the page and let the worker check it."""
    response = client.post(NEW, form(content, **changes))
    assert response.status_code == 302, response.content.decode()
    version = DatasetVersion.objects.latest("id")
    assert response.headers["Location"].startswith(version.get_absolute_url())
    actions.reconcile()
    version.refresh_from_db()
    return version


def page_of(client: Client, version: DatasetVersion) -> str:
    return client.get(version.get_absolute_url()).content.decode()


@pytest.fixture
def owner_client(client: Client) -> Client:
    client.force_login(make_user("owner"))
    return client


def test_a_good_file_is_received_checked_and_previewed(owner_client: Client) -> None:
    version = uploaded(owner_client, CSV)

    page = page_of(owner_client, version)

    assert version.status == "valid"
    assert version.rows == 2
    assert "how do I borrow a book" in page
    assert version.sha256 in page
    assert "Write the card" in page


def test_while_it_waits_the_page_asks_again_and_then_stops(owner_client: Client) -> None:
    owner_client.post(NEW, form(CSV))
    url = DatasetVersion.objects.get().get_absolute_url()

    before = owner_client.get(url, headers={"HX-Request": "true"}).content.decode()
    actions.reconcile()
    after = owner_client.get(url, headers={"HX-Request": "true"}).content.decode()

    assert 'hx-trigger="every 1s"' in before
    assert f'<a href="{url}">Refresh</a>' in before
    assert f'hx-get="{url}?seen=received.0"' in before
    assert "hx-trigger" not in after
    assert "<html" not in after
    assert "Ready to use" in after


def test_a_page_that_is_up_to_date_gets_nothing(owner_client: Client) -> None:
    owner_client.post(NEW, form(CSV))
    url = DatasetVersion.objects.get().get_absolute_url()

    def asked() -> int:
        seen = {"seen": "received.0"}
        return owner_client.get(url, seen, headers={"HX-Request": "true"}).status_code

    assert asked() == 204
    actions.reconcile()
    assert asked() == 200


def test_a_long_check_says_how_far_it_is(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contributions.actions.checking.SIGN_OF_LIFE", timedelta(0))
    rows = "".join(f"row {number},label {number % 7}\n" for number in range(2500))

    version = uploaded(owner_client, "text,intent\n" + rows)

    assert version.status == "valid"
    assert version.checked_bytes == version.size


@pytest.mark.parametrize(
    ("content", "filename", "sentences"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "data.csv", ["PNG"]),
        (b"PK\x03\x04" + bytes(64), "data.xlsx", ["The zip archive is damaged"]),
        (",".join(f"c{n}" for n in range(200)) + "\n" + "x," * 199 + "x\n", "wide.csv", ["200"]),
        ("text,intent\nhello,greet\n,greet\n", "data.csv", ["&#x27;text&#x27; is empty", "<td"]),
        ("text,intent\nhello,greet\nbye\n", "data.csv", ["The row has 1 cell."]),
        ('{"prompt": "a", "completion": "b"}\n{"prompt": \n', "data.jsonl", ["JSON"]),
        ("text,intent\n", "data.csv", ["There are no rows."]),
    ],
    ids=["picture", "zip", "200 columns", "empty cell", "ragged row", "json", "no rows"],
)
def test_a_bad_file_is_explained_with_its_remedy(
    owner_client: Client, content: bytes | str, filename: str, sentences: list[str]
) -> None:
    version = uploaded(owner_client, content, filename=filename)

    page = page_of(owner_client, version)

    assert version.status == "invalid"
    for sentence in sentences:
        assert sentence in page
    assert "Mend the file and add it as a new version." in page
    assert reverse("contributions:dataset_version_new", args=[version.dataset_id]) in page


def test_an_empty_file_is_refused_at_the_form_and_the_name_is_kept(owner_client: Client) -> None:
    page = owner_client.post(NEW, form(b"", name="Nothing in it")).content.decode()

    assert "This file is empty." in page
    assert "Nothing in it" in page
    assert not Dataset.objects.exists()


def test_a_file_of_300_mib_is_refused_before_it_is_read(owner_client: Client) -> None:
    response = owner_client.generic(
        "POST", NEW, b"", "multipart/form-data; boundary=x", CONTENT_LENGTH=str(300 * 2**20)
    )

    page = response.content.decode()
    assert response.status_code == 413
    assert "300 MiB" in page
    assert "200 MiB" in page
    assert "Signed in as owner" in page


def test_a_file_just_over_the_limit_is_refused_at_the_form(
    owner_client: Client, settings: Settings
) -> None:
    settings.MOSAIC_UPLOAD_LIMIT_BYTES = 20

    page = owner_client.post(NEW, form(CSV)).content.decode()

    assert "more than the &lt; 0.01 MiB that a form may bring at once" in page
    assert not Dataset.objects.exists()


def test_the_same_content_twice_is_named(owner_client: Client) -> None:
    uploaded(owner_client, CSV)

    page = owner_client.post(NEW, form(CSV, name="Again")).content.decode()

    assert "has the same content as My data, version 1" in page
    assert Dataset.objects.count() == 1


def test_the_same_name_twice_is_refused(owner_client: Client) -> None:
    uploaded(owner_client, CSV)

    page = owner_client.post(NEW, form(CSV + "more,rows\n")).content.decode()

    assert "You have a dataset called “My data” already." in page


def test_a_double_click_uploads_once(owner_client: Client) -> None:
    once = str(uuid.uuid4())

    for _ in range(2):
        owner_client.post(NEW, form(CSV, once=once))

    assert DatasetVersion.objects.count() == 1


def test_a_row_that_is_also_a_probe_is_left_out(owner_client: Client) -> None:
    probe = make_priority(make_user()).probes.open()[0]

    version = uploaded(owner_client, CSV + f"{probe.prompt.title()},{probe.answer}\n")

    assert version.rows == 2
    assert "1 row of this file is among the probes of a priority." in page_of(owner_client, version)


def test_nobody_learns_from_a_report_that_a_probe_is_sealed(owner_client: Client) -> None:
    sealed = make_priority(make_user()).probes.filter(part="sealed")[0]

    version = uploaded(owner_client, CSV + f"{sealed.prompt},{sealed.answer}\n")

    assert version.rows == 3
    assert "among the probes" not in page_of(owner_client, version)
    trained_on = examples_of([version])
    assert len(trained_on) == 2
    assert sealed.prompt not in {example.prompt for example in trained_on}


def test_content_is_shown_as_text(owner_client: Client) -> None:
    version = uploaded(owner_client, "text,intent\n<script>alert(1)</script>,<b>x</b>\nb,c\n")

    page = page_of(owner_client, version)

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_mended_file_is_the_next_version(owner_client: Client) -> None:
    version = uploaded(owner_client, "text,intent\n,greet\n")
    url = reverse("contributions:dataset_version_new", args=[version.dataset_id])

    owner_client.post(url, form(CSV))
    actions.reconcile()

    listed = list(version.dataset.versions.order_by("number").values_list("number", "status"))
    assert listed == [(1, "invalid"), (2, "valid")]


def test_the_card_opens_the_way_to_an_expert(owner_client: Client) -> None:
    priority = make_priority(make_user(), statement="Know the library")
    version = uploaded(owner_client, CSV)
    carried = {"priority": priority.pk}
    assert "priority=" in owner_client.get(version.get_absolute_url(), carried).content.decode()
    url = reverse("contributions:dataset_card", args=[version.dataset_id])

    response = owner_client.post(
        f"{url}?priority={priority.pk}",
        {"licence": "CC0-1.0", "summary": "Questions.", "origin": "Our desk.", "limits": ""},
    )

    assert response.headers["Location"] == f"{version.get_absolute_url()}?priority={priority.pk}"
    page = owner_client.get(response.headers["Location"]).content.decode()
    expert_url = reverse("contributions:expert_new")
    assert f"{expert_url}?dataset={version.pk}&amp;priority={priority.pk}" in page


def test_a_licence_that_forbids_training_is_said_to(owner_client: Client) -> None:
    version = uploaded(owner_client, CSV)
    url = reverse("contributions:dataset_card", args=[version.dataset_id])

    owner_client.post(url, {"licence": "CC-BY-ND-4.0", "summary": "Q.", "origin": "Here."})

    page = owner_client.get(version.dataset.get_absolute_url()).content.decode()
    assert "a licence that allows training" in page


def test_the_licence_stays_once_an_expert_learns_from_the_data(client: Client) -> None:
    owner = make_user()
    dataset = make_expert(owner).versions.get().dataset
    client.force_login(owner)
    url = reverse("contributions:dataset_card", args=[dataset.pk])

    page = client.post(url, {"licence": "MIT", "summary": "New words.", "origin": "Here."})

    assert "its" in page.content.decode() and "licence, so it cannot" in page.content.decode()
    assert "New words." in page.content.decode()


def test_published_by_its_owner_for_everybody(client: Client) -> None:
    owner = make_user()
    dataset = make_dataset(owner, name="Bike rules")
    version = dataset.versions.get()
    assert client.get(version.get_absolute_url()).status_code == 404
    client.force_login(owner)

    client.post(reverse("contributions:dataset_publish", args=[dataset.pk]))

    client.logout()
    assert "where is the bike shop" in page_of(client, version)
    assert "Bike rules" in client.get(reverse("contributions:dataset_list")).content.decode()


def test_not_published_without_a_card(client: Client) -> None:
    owner = make_user()
    dataset = make_dataset(owner, described=False)
    client.force_login(owner)
    url = reverse("contributions:dataset_publish", args=[dataset.pk])

    page = client.post(url, follow=True).content.decode()

    assert "Before you publish it, give it a licence" in page
    dataset.refresh_from_db()
    assert not dataset.is_public


def test_tabs_show_what_is_mine_public_and_for_stewards_all(client: Client) -> None:
    owner, other = make_user(), make_user()
    make_dataset(owner, name="Owner's private")
    public = make_dataset(owner, name="Owner's public")
    actions.dataset_publish(dataset=public)
    make_dataset(other, name="Other's private")

    def seen(show: str) -> list[bool]:
        url = reverse("contributions:dataset_list")
        page = client.get(url, {"show": show}).content.decode()
        return [f"{name}</a>" in page for name in ("private", "public")] + ["Other" in page]

    client.force_login(owner)
    assert seen("mine") == [True, True, False]
    assert seen("public") == [False, True, False]
    assert seen("all") == [True, True, False]
    client.force_login(make_user(steward=True))
    assert seen("all") == [True, True, True]


class TestBrokenChecks:
    """A check that never comes to its end is never silent."""

    def test_tried_three_times_then_said(self, owner_client: Client) -> None:
        owner_client.post(NEW, form(CSV))
        version = DatasetVersion.objects.get()
        default_storage.delete(str(version.file.name))

        states = []
        for _ in range(4):
            actions.reconcile()
            version.refresh_from_db()
            states.append((version.status, version.check_attempts))

        assert states == [("received", 1), ("received", 2), ("invalid", 3), ("invalid", 3)]
        page = page_of(owner_client, version)
        assert "The check broke off 3 times" in page
        assert "Check it again" in page

    def test_checked_again_at_the_owners_wish(self, owner_client: Client) -> None:
        owner_client.post(NEW, form(CSV))
        version = DatasetVersion.objects.get()
        name = str(version.file.name)
        default_storage.delete(name)
        for _ in range(3):
            actions.reconcile()
        default_storage.save(name, io.BytesIO(CSV.encode()))

        owner_client.post(reverse("contributions:version_recheck", args=[version.pk]))
        actions.reconcile()

        version.refresh_from_db()
        assert version.status == "valid"

    def test_what_was_judged_is_not_checked_again(self, owner_client: Client) -> None:
        version = uploaded(owner_client, "text,intent\n,greet\n")
        url = reverse("contributions:version_recheck", args=[version.pk])

        page = owner_client.post(url, follow=True).content.decode()

        assert "was checked to its end" in page
        version.refresh_from_db()
        assert version.status == "invalid"

    def test_a_worker_that_vanished_is_followed_by_another(self, owner_client: Client) -> None:
        owner_client.post(NEW, form(CSV))
        DatasetVersion.objects.update(
            status="checking",
            check_attempts=1,
            checking_since=timezone.now() - timedelta(minutes=3),
        )

        actions.reconcile()

        assert DatasetVersion.objects.get().status == "valid"

    def test_a_worker_that_works_is_left_alone(self, owner_client: Client) -> None:
        owner_client.post(NEW, form(CSV))
        DatasetVersion.objects.update(
            status="checking", check_attempts=1, checking_since=timezone.now()
        )

        actions.reconcile()

        assert DatasetVersion.objects.get().status == "checking"

    def test_one_broken_file_does_not_hold_up_the_next(self, owner_client: Client) -> None:
        owner_client.post(NEW, form(CSV, name="first"))
        default_storage.delete(str(DatasetVersion.objects.get().file.name))
        owner_client.post(NEW, form(CSV + "more,rows\n", name="second"))

        actions.reconcile()

        assert DatasetVersion.objects.get(dataset__name="second").status == "valid"
