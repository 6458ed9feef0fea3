"""What every answer says to the browser, and what no page holds."""

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from tests.architecture.doors import DOORS, PEOPLE, Address, Answer, addresses
from tests.architecture.things import Things
from tests.factories import make_user

pytestmark = pytest.mark.django_db


class Inline(HTMLParser):
    """Collects what a policy without 'unsafe-inline' forbids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        # Data, which no browser runs and no policy forbids.
        is_data = named.get("type") == "application/json"
        self._open = "" if is_data else tag
        if is_data:
            return
        if tag == "style" or (tag == "script" and not named.get("src")):
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            scripted = (value or "").strip().lower().startswith("javascript:")
            if name == "style" or name.startswith("on") or scripted:
                self.found.append(f"<{tag} {name}>")

    def handle_data(self, data: str) -> None:
        if self._open == "script" and data.strip():
            self.found.append("text in <script>")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""


def _check(client: Client, url: str) -> None:
    response = client.get(url)
    headers = response.headers
    policy = headers["Content-Security-Policy"]
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    if headers["Content-Type"].startswith("text/html"):
        assert not Inline(response.content.decode()).found, url


def test_the_check_itself_sees_what_is_inline() -> None:
    page = (
        '<p style="x" onclick="y"><a href=" JavaScript:z">a</a><style>b</style>'
        '<script>c</script><script src="/d.js"> </script></p>'
    )
    assert Inline(page).found == [
        *("<p style>", "<p onclick>", "<a href>", "<style>", "<script>", "text in <script>"),
    ]


@pytest.mark.parametrize("who", ["owner", "steward"])
def test_no_page_holds_anything_inline(who: str) -> None:
    things = Things()
    _ = things.release, things.tallied_round  # before the round that stays open
    client = Client()
    client.force_login(things.people[who])  # type: ignore[arg-type]
    shown = [
        name for name, (door, _) in DOORS.items() if door.get[PEOPLE.index(who)] is Answer.PAGE
    ]
    assert len(shown) > 60
    for name in shown:
        url = things.url(name)
        if not client.get(url).headers.get("Content-Disposition", "").startswith("attachment"):
            _check(client, url)


def _accounts() -> Iterator[Address]:
    return (one for one in addresses() if one.is_accounts and not one.arguments)


@pytest.mark.parametrize("name", sorted(address.name for address in _accounts()))
def test_nor_does_a_page_of_the_accounts(name: str, client: Client) -> None:
    _check(client, reverse(name))
    client.force_login(make_user())
    _check(client, reverse(name))


@pytest.mark.parametrize(
    "name",
    [
        "contributions:dataset_readme",
        "contributions:version_report",
        "contributions:version_findings",
        "contributions:download",
        "my_export",
        "api:version_file",
        "api:version_rows",
        "governance:round_export",
        "governance:round_chain",
        "governance:moderation_log",
    ],
)
def test_what_members_brought_is_saved_and_never_run(name: str) -> None:
    things = Things()
    client = Client()
    client.force_login(things.owner)

    response = client.get(things.url(name))

    assert response.status_code == 200
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert not response.headers["Content-Type"].startswith("text/html")
    if response.streaming:
        b"".join(response)
