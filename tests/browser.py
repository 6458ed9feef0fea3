"""A real browser for tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Error, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window; skips the test where none starts.

    While it runs, Django takes the thread for one with an event loop and refuses queries in it.
    """
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                # None is the one that Playwright has installed, if it has.
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
                args=["--no-sandbox", "--disable-background-networking"],
            )
        except Error as reason:
            pytest.skip(f"no Chromium starts on this machine (see bin/chromium): {reason}")
        yield browser
        browser.close()
