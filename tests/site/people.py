"""People with a browser each. Whatever page they come to, it keeps the promises of every page."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, FilePayload, Locator, Page, expect

from mosaic_site.supervisor import Stack

# What is awaited here trains, counts and composes on whatever machine this is.
PATIENCE_SECONDS = 300
PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1280, "height": 900}
# What a page and everything it loads may weigh, nothing of it cached.
MOST_BYTES = 200_000
WEIGHT = """() => ["navigation", "resource"]
    .flatMap((kind) => performance.getEntriesByType(kind))
    .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
# Sends the form of a button as pressing it would, and stays on the page.
SEND = """async (button) => {
    const action = button.hasAttribute("formaction") ? button.formAction : button.form.action;
    const body = new FormData(button.form, button);
    await fetch(action, { method: "POST", body, redirect: "manual" });
}"""
PASSWORD = "a long enough password"


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that no page shows."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Person:
    """One browser context. `scripts` False: somebody who has switched JavaScript off."""

    def __init__(
        self,
        browser: Browser,
        site: Stack,
        *,
        phone: bool = False,
        dark: bool = False,
        scripts: bool = True,
    ) -> None:
        self.scripts = scripts
        self.size = PHONE if phone else DESKTOP
        self.context = browser.new_context(
            base_url=site.url,
            viewport=self.size,  # type: ignore[arg-type]
            color_scheme="dark" if dark else "light",
            java_script_enabled=scripts,
        )
        self.context.set_default_timeout(PATIENCE_SECONDS * 1000)
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @property
    def main(self) -> Locator:
        return self.page.locator("main")

    @property
    def path(self) -> str:
        """Where this person is, with what the address carries along."""
        url = urlsplit(self.page.url)
        return f"{url.path}?{url.query}"

    def join(self, username: str) -> Self:
        self.open("/account/signup/")
        address = f"{username}@example.org"
        self.fill({"Username": username, "Email": address, "Password": PASSWORD})
        # Joining signs in, which makes every form of before void: there is no second press.
        self.press_here("Join", then="A model built by many|Let us build a model together")
        return self

    def open(self, path: str) -> None:
        self.page.goto(path)
        self.look()

    def wait_for(self, text: str, within: str = "main") -> None:
        """Wait until the page says `text`; without scripts by loading it again and again."""
        place = self.page.locator(within)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (self.scripts or place.get_by_text(text).count()):
            assert time.monotonic() < deadline, f"{self.page.url} does not say {text}"
            self.page.reload()
        expect(place).to_contain_text(text)
        self.look()

    def follow(self, link: str) -> None:
        with self.page.expect_navigation():
            self.main.get_by_role("link", name=link, exact=True).first.click()
        self.look()

    def unfold(self, summary: str) -> None:
        self.main.locator("summary", has_text=summary).first.click()

    def fill(self, fields: Mapping[str, str]) -> None:
        """Write into the fields that carry these labels."""
        for label, text in fields.items():
            self.main.get_by_label(label).filter(visible=True).fill(text)

    def press(self, button: str, *, then: str) -> None:
        """Press a button as impatient people do, and wait until the page says `then`.

        A browser may drop the second half of a double click, so one more press is sent before:
        whatever comes of this form, the site is asked for it at least twice.
        """
        self.main.get_by_role("button", name=button, exact=True).evaluate(SEND)
        self.press_here(button, then=then)

    def press_here(self, button: str, *, then: str) -> None:
        """A double click and nothing more, for what the page itself must keep single."""
        self.main.get_by_role("button", name=button, exact=True).dblclick()
        expect(self.main).to_contain_text(re.compile(then))
        self.look()

    def choose_file(self, rows: Sequence[tuple[str, ...]]) -> None:
        lines = [("question", "answer"), *rows]
        content = "".join(",".join(cells) + "\n" for cells in lines).encode()
        file: FilePayload = {"name": "questions.csv", "mimeType": "text/csv", "buffer": content}
        self.main.get_by_label("File").set_input_files(file)

    def curve_points(self) -> int:
        """How many points the loss curve on this page has."""
        points = self.main.locator(".curve__line").get_attribute("points") or ""
        return len(points.split())

    def look(self) -> None:
        """No error, not too heavy, and nothing wider than the screen, on a phone neither."""
        self.page.wait_for_load_state()
        assert self.page.evaluate(WEIGHT) <= MOST_BYTES, self.page.url
        for size in (PHONE, self.size):
            self.page.set_viewport_size(size)  # type: ignore[arg-type]
            width = self.page.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], f"{self.page.url} is {width} px wide"
        assert not self.complaints, f"{self.page.url}: {self.complaints}"

    def _hear(self, message: ConsoleMessage) -> None:
        # A breach of the content security policy arrives here too, as an error.
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)
