"""The comforts of site.js, in a real browser and on the markup that the components write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page, Route, expect

from tests.browser import chromium

SCRIPTS = settings.REPOSITORY / "static/js"

MARKUP = """<!DOCTYPE html><html lang="en"><head><script src="/theme.js"></script>
<script src="/site.js" defer></script></head><body>
<button hidden data-theme-switch data-system="as the system" data-light="light" data-dark="dark">
</button>
<form method="post" action="/sent" id="upload">
  <input type="file" name="file" data-max-bytes="1048576">
  <textarea name="note" maxlength="20" data-counter></textarea>
  <button name="verb" value="save">Save</button>
</form>
<form data-ballot>
  <input type="checkbox" aria-label="One" data-cost="1048576">
  <input type="checkbox" aria-label="Two" data-cost="524288">
  <b data-ballot-count></b> <i data-ballot-cost></i>
  <progress max="2097152" data-ballot-budget></progress>
</form>
<time datetime="2020-01-01T00:00:00Z" data-relative>1 January 2020</time>
<details class="menu"><summary>Menu</summary><p>Inside</p></details>
</body></html>"""


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    with chromium() as browser:
        yield browser.new_page()


@pytest.fixture
def page(browser_page: Page) -> Page:
    """The markup above, served with the site's own scripts and content policy."""

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix("http://mosaic.test")
        if path.endswith(".js"):
            route.fulfill(path=SCRIPTS / Path(path).name, content_type="text/javascript")
        elif path == "/sent":
            route.fulfill(body=route.request.post_data or "", content_type="text/plain")
        else:
            route.fulfill(
                body=MARKUP,
                content_type="text/html",
                headers={"Content-Security-Policy": "default-src 'self'"},
            )

    browser_page.unroute_all()
    browser_page.route("**/*", serve)
    browser_page.goto("http://mosaic.test/")
    browser_page.evaluate("localStorage.clear()")
    browser_page.goto("http://mosaic.test/")
    return browser_page


def a_file(size: int) -> dict[str, object]:
    return {"name": "data.csv", "mimeType": "text/csv", "buffer": b"x" * size}


def test_a_file_too_large_is_refused_before_it_is_sent(page: Page) -> None:
    page.set_input_files("input[type=file]", a_file(2 * 2**20))  # type: ignore[arg-type]
    expect(page.get_by_role("alert")).to_contain_text("data.csv is 2.00 MiB; at most 1.00 MiB")
    page.get_by_role("button", name="Save").click()
    assert page.url == "http://mosaic.test/"
    page.set_input_files("input[type=file]", a_file(10))  # type: ignore[arg-type]
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_form_is_sent_once_with_the_button_that_was_pressed(page: Page) -> None:
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/sent")
    assert "verb=save" in page.content()
    page.go_back()
    expect(page.get_by_role("button", name="Save")).to_be_enabled()


def test_the_buttons_rest_while_a_form_is_on_its_way(page: Page) -> None:
    page.route("**/sent", lambda route: route.fulfill(status=204))
    page.get_by_role("button", name="Save").click()
    expect(page.locator("button[name=verb]")).to_be_disabled()
    expect(page.locator("button[name=verb]")).to_have_attribute("aria-busy", "true")


def test_the_counter_follows_the_text(page: Page) -> None:
    page.fill("textarea", "seven!!")
    expect(page.locator(".field__counter")).to_have_text("7 / 20")


def test_the_ballot_adds_up(page: Page) -> None:
    expect(page.locator("[data-ballot-count]")).to_have_text("0")
    page.get_by_label("One").check()
    page.get_by_label("Two").check()
    expect(page.locator("[data-ballot-count]")).to_have_text("2")
    expect(page.locator("[data-ballot-cost]")).to_have_text("1.50 MiB")


def test_the_chosen_colours_stay(page: Page) -> None:
    switch = page.locator("[data-theme-switch]")
    expect(switch).to_have_text("as the system")
    switch.click()
    expect(switch).to_have_text("dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    switch.click()
    switch.click()
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


def test_an_old_date_stays_a_date(page: Page) -> None:
    expect(page.locator("time")).to_have_text("1 January 2020")


def test_a_recent_time_is_told_from_now(page: Page) -> None:
    page.evaluate(
        """() => {
            const time = document.createElement("time");
            time.dateTime = new Date(Date.now() - 3 * 60000).toISOString();
            time.dataset.relative = "";
            time.textContent = "12:00";
            document.body.append(time);
            time.dispatchEvent(new CustomEvent("htmx:load", { bubbles: true }));
        }"""
    )
    expect(page.locator("time").last).to_have_text("3 minutes ago")
    expect(page.locator("time").last).to_have_attribute("title", "12:00")


def test_a_menu_closes_on_escape(page: Page) -> None:
    page.get_by_text("Menu").click()
    expect(page.get_by_text("Inside")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("Inside")).to_be_hidden()
