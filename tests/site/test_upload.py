"""Uploading a large file in a browser: paused, cut off, reloaded, and whole in the end."""

import hashlib
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Route, expect

from mosaic_site.members.models import User
from mosaic_site.members.tokens import token_make
from mosaic_site.supervisor import Stack
from tests.site.people import PATIENCE_SECONDS, Person, until
from tests.site.stack import act, rows

pytestmark = pytest.mark.slow

PART_BYTES = 8 * 2**20
PARTS = 5


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    services = ("redis", "web", "worker-checks")
    with Stack(tmp_path_factory.mktemp("site"), services=services) as stack:
        yield stack


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "large.csv"
    path.write_bytes(random.Random(7).randbytes(PARTS * PART_BYTES - 1000))
    return path


class HeldPart:
    """A part that is under way, and arrives only if it is let go."""

    def __init__(self, person: Person, number: int) -> None:
        self.page, self.pattern = person.page, f"**/api/v1/uploads/*/?part={number}"
        self.routes: list[Route] = []
        self.page.route(self.pattern, self._hold)

    def _hold(self, route: Route) -> None:
        self.routes.append(route)

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.routes:
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(20)

    def release(self) -> None:
        """What is asked for from now on goes through."""
        self.page.unroute(self.pattern)


def parts_here(stack: Stack) -> set[int]:
    return {row["number"] for row in rows(stack, "SELECT number FROM contributions_uploadpart")}


def test_paused_cut_off_and_reloaded_it_arrives_whole(
    browser: Browser, pages: Stack, large: Path
) -> None:
    ada = Person(browser, pages).join("ada")
    ada.open("/datasets/new/")
    expect(ada.main).to_contain_text("At most 2,048 MiB, in parts")
    ada.fill({"Name": "Large"})
    ada.main.get_by_label("File").set_input_files(large)
    status = ada.main.locator("[data-upload-status]")
    third, fourth = HeldPart(ada, 3), HeldPart(ada, 4)

    # The line is away when it starts, and comes back.
    ada.context.set_offline(True)
    ada.main.get_by_role("button", name="Upload and check").dblclick()
    expect(status).to_contain_text("The line is cut. What has arrived is safe. Trying again in")
    ada.context.set_offline(False)
    assert {"net::ERR_INTERNET_DISCONNECTED" in line for line in ada.complaints} == {True}
    ada.complaints.clear()

    # Paused in the middle of a part, which is sent anew.
    third.wait()
    ada.main.get_by_role("button", name="Pause").click()
    expect(status).to_have_text("Paused. What has arrived stays here.")
    assert parts_here(pages) == {1, 2}
    third.release()
    ada.main.get_by_role("button", name="Go on").click()

    # Reloaded in the middle of another: the page is now that of the upload.
    fourth.wait()
    until(lambda: parts_here(pages) == {1, 2, 3})
    ada.page.reload()
    fourth.release()
    expect(ada.main).to_contain_text("24.00 MiB of 40.00 MiB are here, for the new dataset “Large”")
    ada.look()

    # Another file is not taken for it.
    choice = ada.main.get_by_label("Choose large.csv again")
    other = large.with_name("other.csv")
    other.write_bytes(b"x" + large.read_bytes()[1:])
    choice.set_input_files(other)
    ada.main.get_by_role("button", name="Go on").click()
    expect(ada.main.get_by_role("alert")).to_contain_text("its part 1 differs")
    ada.look()

    choice.set_input_files(large)
    ada.main.get_by_role("button", name="Go on").first.click()
    ada.page.wait_for_url("**/datasets/versions/*/")

    [version] = rows(pages, "SELECT * FROM contributions_datasetversion")
    sent = large.read_bytes()
    assert (version["size"], version["filename"]) == (len(sent), "large.csv")
    assert version["sha256"] == hashlib.sha256(sent).hexdigest()
    assert (pages.home / "media" / version["file"]).read_bytes() == sent
    ada.context.close()


def test_the_keyboard_and_a_phone_are_enough_to_begin_and_to_give_up(
    browser: Browser, pages: Stack, large: Path
) -> None:
    ben = Person(browser, pages, phone=True, dark=True).join("ben")
    ben.open("/datasets/new/")
    ben.fill({"Name": "Too much"})
    ben.main.get_by_label("File").set_input_files(large)
    second = HeldPart(ben, 2)
    ben.main.get_by_role("button", name="Upload and check").press("Enter")
    second.wait()
    expect(ben.main.get_by_role("heading", name="large.csv")).to_be_focused()
    ben.look()

    ben.page.keyboard.press("Tab")
    expect(ben.main.get_by_role("button", name="Pause")).to_be_focused()
    ben.page.keyboard.press("Tab")
    ben.page.once("dialog", lambda dialog: dialog.accept())
    ben.page.keyboard.press("Enter")

    expect(ben.main).to_contain_text("Nothing is unfinished")
    ben.look()
    assert not rows(pages, "SELECT 1 FROM contributions_upload WHERE status = 'open'")
    ben.context.close()


def test_without_javascript_the_form_brings_it(browser: Browser, pages: Stack) -> None:
    cleo = Person(browser, pages, scripts=False).join("cleo")
    cleo.open("/datasets/new/")
    cleo.fill({"Name": "Small"})
    cleo.choose_file([("where is the shop", "bikes")])
    cleo.press_here("Upload and check", then="Your file is here")
    cleo.context.close()


def make_token(username: str) -> str:
    member = User.objects.create_user(username, f"{username}@example.org")
    _, secret = token_make(member=member, name="Cron", scopes=["datasets:write"], days=1)
    return secret


def test_the_documented_commands_bring_a_file(pages: Stack, tmp_path: Path) -> None:
    text = (settings.REPOSITORY / "docs/uploads.md").read_text("utf-8")
    [commands] = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    content = random.Random(8).randbytes(2 * PART_BYTES + 5)
    (tmp_path / "bikes.csv").write_bytes(content)
    token = act(pages, make_token, username="cron")
    names = {"SITE": pages.url, "TOKEN": token, "NAME": "Bike rules", "FILE": "bikes.csv"}

    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=tmp_path, env=os.environ | names, capture_output=True
    )

    assert done.returncode == 0, done
    query = "SELECT * FROM contributions_datasetversion WHERE filename = 'bikes.csv'"
    [version] = rows(pages, query)
    assert version["sha256"] == hashlib.sha256(content).hexdigest()
    assert version["sha256"] in done.stdout.decode()
