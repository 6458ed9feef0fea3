"""A running site, and a browser to walk through it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from mosaic_site.supervisor import Stack
from tests.browser import chromium
from tests.site.people import PATIENCE_SECONDS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole site on a scratch folder: no member yet, the shipped base active."""
    # One control: the other two are trained by the same code, and take minutes of a walk.
    env = {"MOSAIC_DEMO": "1", "MOSAIC_CONTROLS": "monolith"}
    stack = Stack(tmp_path_factory.mktemp("site"), env=env)
    with ExitStack() as cleanup:
        cleanup.callback(stack.stop)
        try:
            stack.start_pages()
        except OSError as reason:  # no socket can be bound here
            pytest.skip(f"no site can start on this machine: {reason}")
        stack.manage("register_base")
        stack.start_workers()
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with chromium() as browser:
        yield browser
