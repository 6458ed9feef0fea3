"""Walks a running site by its links, and takes one picture of each kind of page.

A kind is a name in the URLconf. So what no link leads to has no picture, and that is said.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, Page, Response, sync_playwright

WIDTHS = (360, 768, 1280)
THEMES = ("light", "dark")
# Leads out of the session.
NOT_FOLLOWED = {"account_logout"}
# Not `link.href`, which is an object for the tiles of a mosaic: links in a picture.
LINKS = "links => links.map(link => new URL(link.getAttribute('href'), document.baseURI).href)"


@dataclass(frozen=True)
class Walker:
    """Who walks; a visitor has no password."""

    name: str
    password: str = ""


@dataclass(frozen=True)
class Seen:
    """A kind of page: where it was seen, by whom, and what was wrong with it."""

    name: str
    path: str
    by: str
    problems: tuple[str, ...]


def take_pictures(
    address: str, walkers: list[Walker], out: Path, say: Callable[[str], None]
) -> list[Seen]:
    """Pictures `out/<page>.<who>.<width>.<theme>.png` of the site at `address`.

    `say` gets a line for each page. Raises playwright's Error where no browser starts.
    """
    out.mkdir(parents=True, exist_ok=True)
    seen: list[Seen] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-browser"),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        for walker in walkers:
            for one in _walk(browser, address, walker, out):
                say(f"{one.name:40} {one.by:12} {one.path} {' '.join(one.problems)}".rstrip())
                seen.append(one)
        browser.close()
    return seen


def _walk(browser: Browser, address: str, walker: Walker, out: Path) -> Iterator[Seen]:
    """Breadth first from the home page, one address of each kind."""
    context = browser.new_context(base_url=address, reduced_motion="reduce")
    if walker.password:
        page = context.new_page()
        page.goto("/account/login/")
        page.fill("[name=login]", walker.name)
        page.fill("[name=password]", walker.password)
        page.click("main button[type=submit]")
        page.close()
    waiting, kinds = deque(["/"]), {"home"}
    while waiting:
        path = waiting.popleft()
        page = context.new_page()
        said: list[str] = []
        _listen(page, said)
        response = _open(page, path)
        if response is None:
            page.close()
            continue
        name = _kind(path) or path
        problems = [f"answers {response.status}"] if response.status != 200 else []
        problems += _photograph(page, out / f"{name.replace(':', '.')}.{walker.name}")
        yield Seen(name, path, walker.name, tuple(problems + said))
        for link in page.eval_on_selector_all("a[href]", LINKS):
            if not link.startswith(address):
                continue
            follow = urlsplit(urldefrag(link).url).path
            kind = _kind(follow)
            if kind and kind not in kinds and kind not in NOT_FOLLOWED:
                kinds.add(kind)
                waiting.append(follow)
        page.close()
    context.close()


def _listen(page: Page, said: list[str]) -> None:
    """Adds what goes wrong in the page's scripts to `said`."""
    page.on("pageerror", lambda error: said.append(str(error)))


def _open(page: Page, path: str) -> Response | None:
    """The page at `path`; None for what is saved as a file, is no HTML, or leads elsewhere."""
    answer = page.context.request.get(path)
    if (
        "text/html" not in answer.headers.get("content-type", "")
        or urlsplit(answer.url).path != path
    ):
        return None
    return page.goto(path)


def _kind(path: str) -> str | None:
    try:
        return resolve(path).view_name
    except Resolver404:
        return None


def _photograph(page: Page, stem: Path) -> list[str]:
    """Every width in every theme; returns where the page is wider than the screen."""
    problems = []
    for theme in THEMES:
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=f"{stem}.{width}.{theme}.png", full_page=True)
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                problems.append(f"{wide} px wide on {width}.")
    return sorted(set(problems))
