"""Every page, as those see it for whom it is: axe finds nothing in either theme, and it fits."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from mosaic_site.members.models import User
from tests.architecture.crowd import Crowd
from tests.architecture.doors import DOORS, PEOPLE, Answer
from tests.browser import chromium

WIDTHS = (360, 768, 1280)
# WCAG 2.2 AA, and what axe's makers hold for good practice.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# In the dark nothing else can change.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
LOUD = {"error", "warning"}
# The innermost element that sticks out, as its tag, class and words.
WIDEST = """() => [...document.querySelectorAll("main *, header *, footer *")]
  .filter(one => one.getBoundingClientRect().right > innerWidth && !one.closest(".table-scroll"))
  .slice(-1).map(one => `<${one.tagName} ${one.className}> ${one.textContent.slice(0, 60)}`)[0]"""
# The member whose it is sees the most of a page.
BY_WHOM = ("owner", "steward", "visitor")


def shown_to(name: str) -> str | None:
    """Who looks at the page called `name`; None where it is no page."""
    get = DOORS[name][0].get
    return next((who for who in BY_WHOM if get[PEOPLE.index(who)] is Answer.PAGE), None)


# What is no page of its own: files, and fragments that pages load.
FILES = {
    *("contributions:version_report", "contributions:version_findings"),
    "contributions:dataset_readme",
    *("governance:feed", "governance:round_chain", "governance:round_export"),
    *("governance:moderation_log", "healthz", "readyz", "metrics"),
    *("training_workers:expert_training", "training_workers:job_panel"),
}
PROGRAMS = {name for name in DOORS if name.startswith("api:") and name != "api:reference"}
PAGES = [name for name in DOORS if shown_to(name) and name not in FILES | PROGRAMS]


def _session(browser: Browser, address: str, cookie: str) -> BrowserContext:
    context = browser.new_context(base_url=address, reduced_motion="reduce")
    # The server of this test speaks HTTP alone.
    context.route_web_socket("**/ws/**", lambda socket: None)
    if cookie:
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": cookie, "url": address}])
    return context


def _sign_in(person: User | None) -> str:
    """The value of the cookie of a new session; empty for a visitor."""
    client = Client()
    if person is None:
        return ""
    client.force_login(person)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def _violations(page: Page, options: dict[str, Any]) -> list[str]:
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"][:3]
    ]


def _problems(page: Page, url: str) -> list[str]:
    """What is wrong with the page at `url`, in words."""
    said: list[str] = []
    page.on("console", lambda one: said.append(one.text) if one.type in LOUD else None)
    page.on("response", lambda one: said.append(one.url) if one.status >= 400 else None)
    page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
    page.emulate_media(color_scheme="light")
    response = page.goto(url)
    if response is None or response.status != 200:
        return [f"answers {response and response.status}"]
    problems = _violations(page, RULES)
    page.emulate_media(color_scheme="dark")
    problems += [f"in the dark, {one}" for one in _violations(page, COLOURS)]
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            problems.append(f"{wide} px wide on a screen of {width}: {page.evaluate(WIDEST)}")
    return problems + [f"the browser says {text}" for text in said]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_pages_are_accessible_and_fit_every_screen(live_server: LiveServer) -> None:
    crowd = Crowd(3)
    urls = {name: crowd.url(name) for name in PAGES}
    cookies = {who: _sign_in(crowd.people[who]) for who in BY_WHOM}
    with chromium() as browser:
        sessions = {who: _session(browser, live_server.url, cookies[who]) for who in BY_WHOM}
        found = {}
        for name in PAGES:
            with sessions[shown_to(name) or ""].new_page() as page:
                found[name] = _problems(page, urls[name])

    wrong = [f"{name}: {problem}" for name, problems in found.items() for problem in problems]
    assert not wrong, "\n".join(wrong)
