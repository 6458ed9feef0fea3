"""What the pages are made of: small, ours, and free of inline style and script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

STATIC = settings.REPOSITORY / "static"
TEMPLATES = sorted((settings.REPOSITORY / "templates").rglob("*.html"))
OURS = sorted([*STATIC.rglob("*.css"), *STATIC.rglob("*.js")])


def name(path: Path) -> str:
    return str(path.relative_to(settings.REPOSITORY))


def test_a_page_loads_less_than_120_kilobytes() -> None:
    carried = [
        finders.find("django_htmx/htmx-2.min.js"),
        finders.find("django_htmx/ext/hx-ws-2.min.js"),
    ]
    assert all(carried), "django-htmx carries htmx and its ws extension"
    sizes = [Path(str(path)).stat().st_size for path in (*carried, *OURS)]
    assert sum(sizes) < 120_000


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_inline_style_or_script(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", source)
    for opening in re.findall(r"<script[^>]*>", source):
        assert "src=" in opening or 'type="application/json"' in opening


@pytest.mark.parametrize("path", [*TEMPLATES, *OURS], ids=name)
def test_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    elsewhere = r"""(src\s*=|<link[^>]*href\s*=|url\(|@import|import)\s*["']?(https?:)?//"""
    assert not re.search(elsewhere, path.read_text())


def test_every_stylesheet_is_on_every_page() -> None:
    page = (settings.REPOSITORY / "templates/components/styles.html").read_text()
    for sheet in sorted((STATIC / "css").glob("*.css")):
        assert f'"css/{sheet.name}"' in page


def test_each_component_opens_with_what_it_wants() -> None:
    for path in (settings.REPOSITORY / "templates/components").glob("*.html"):
        assert path.read_text().startswith("{# "), f"{path.name} does not say what it wants"
