"""Taking files away: by whom, for how long, and as what."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contributions import actions
from contributions.models import DatasetVersion
from contributions.views.downloads import Attachment, link_for
from tests.factories import CSV, make_dataset, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> DatasetVersion:
    return make_dataset(make_user("ada"), name="Ärger & <Desk>", content=CSV).versions.get()


def asked(client: Client, version: DatasetVersion, name: str = "version_download") -> str:
    """Where the link leads that the page offers."""
    response = client.get(reverse(f"contributions:{name}", args=[version.pk]))
    return response.headers.get("Location", "") if response.status_code == 302 else ""


def content(response: Iterable[bytes]) -> bytes:
    return b"".join(response)


def test_the_file_is_what_was_brought(client: Client, version: DatasetVersion) -> None:
    client.force_login(version.dataset.owner)

    response = client.get(asked(client, version))

    assert content(response) == CSV.encode()
    assert response.headers["Content-Disposition"] == 'attachment; filename="arger-desk-v1.csv"'
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"


def test_the_rows_are_what_experts_read(client: Client, version: DatasetVersion) -> None:
    client.force_login(version.dataset.owner)

    response = client.get(asked(client, version, "version_rows"))

    with version.rows_file.open("rb") as rows:
        assert content(response) == rows.read()
    assert "arger-desk-v1.rows.jsonl" in response.headers["Content-Disposition"]


def test_what_has_errors_has_no_rows(client: Client) -> None:
    version = make_dataset(make_user(), content="text,intent\n,greet\n").versions.get()
    client.force_login(version.dataset.owner)

    assert asked(client, version) and not asked(client, version, "version_rows")
    page = client.get(version.get_absolute_url()).content.decode()
    assert reverse("contributions:version_rows", args=[version.pk]) not in page


def test_a_copied_link_opens_nothing_private(client: Client, version: DatasetVersion) -> None:
    client.force_login(version.dataset.owner)
    link = asked(client, version)

    client.logout()
    assert client.get(link).status_code == 404
    client.force_login(make_user())
    assert client.get(link).status_code == 404


def test_public_data_are_for_everybody(client: Client, version: DatasetVersion) -> None:
    actions.dataset_publish(dataset=version.dataset)
    link = asked(client, version)

    assert content(client.get(link)) == CSV.encode()
    client.force_login(make_user())
    assert content(client.get(link)) == CSV.encode()


def test_the_right_is_asked_for_again(client: Client, version: DatasetVersion) -> None:
    steward = make_user(steward=True)
    client.force_login(steward)
    link = asked(client, version)
    steward.role = steward.Role.MEMBER
    steward.save()

    assert client.get(link).status_code == 404


def test_an_old_link_leads_back_to_where_a_new_one_is(
    client: Client, version: DatasetVersion
) -> None:
    client.force_login(version.dataset.owner)
    link = asked(client, version)

    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        response = client.get(link, follow=True)

    assert response.redirect_chain == [(version.get_absolute_url(), 302)]
    assert "That link had expired." in response.content.decode()


@pytest.mark.parametrize("change", [lambda link: link[:-2], lambda link: "x" + link, lambda _: "x"])
def test_a_changed_link_is_none(
    client: Client, version: DatasetVersion, change: Callable[[str], str]
) -> None:
    client.force_login(version.dataset.owner)
    link = link_for(version.dataset.owner, version, "upload")

    url = reverse("contributions:download", args=[change(link)])

    assert client.get(url).status_code == 404


def test_an_erased_file_is_not_there(client: Client, version: DatasetVersion) -> None:
    client.force_login(version.dataset.owner)
    default_storage.delete(str(version.file.name))

    assert client.get(asked(client, version)).status_code == 404


def test_nothing_else_serves_the_files(client: Client, version: DatasetVersion) -> None:
    client.force_login(version.dataset.owner)

    for start in ("", "media/", "static/", "static/../media/"):
        assert client.get(f"/{start}{version.file.name}").status_code == 404


@pytest.mark.parametrize(
    ("filename", "ending"),
    [
        ("data.csv", ".csv"),
        ("DATA.JSONL.GZ", ".jsonl.gz"),
        ("evil.exe", ".data"),
        ("page.html.zip", ".zip"),
        ('a";x=".csv', ".csv"),
        ("none", ".data"),
    ],
)
def test_a_name_never_says_more_than_it_may(
    client: Client, version: DatasetVersion, filename: str, ending: str
) -> None:
    DatasetVersion.objects.update(filename=filename)
    client.force_login(version.dataset.owner)

    response = client.get(asked(client, version))

    named = f'attachment; filename="arger-desk-v1{ending}"'
    assert response.headers["Content-Disposition"] == named
    response.close()


async def test_an_asynchronous_server_sends_it_block_by_block(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(range(256)) * 1500)

    with path.open("rb") as file:
        blocks = [block async for block in Attachment(file, "data.csv")]

    assert b"".join(blocks) == path.read_bytes()
    assert [len(block) for block in blocks] == [262_144, 121_856]
