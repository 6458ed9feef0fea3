"""The documentation as pages: all of it is there, and every link in it leads somewhere."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from mosaic_site.help.contents import DOCS, SLUGS
from mosaic_site.help.reading import read, search


def test_every_file_of_the_documentation_stands_in_the_contents_once() -> None:
    files = {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md")}

    assert files == set(SLUGS)
    assert len(SLUGS) == len(set(SLUGS))


@pytest.mark.django_db
@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_shows_its_title_once_and_its_links_lead_somewhere(
    client: Client, slug: str
) -> None:
    page = read(slug)
    response = client.get(page.url)
    html = response.content.decode()

    assert response.status_code == 200
    assert html.count("<h1>") == 1 and escape(page.title) in html
    for link in re.findall(r'<a href="([^"]+)"', str(page.html)):
        parts = urlsplit(urljoin(page.url, link))
        if parts.netloc:
            assert parts.scheme == "https", link
            continue
        assert parts.path.startswith("/help/"), f"{link} leads out of the documentation"
        other = read(parts.path.removeprefix("/help/").strip("/"))
        assert not parts.fragment or parts.fragment in {part.anchor for part in other.parts}, link
    for picture in re.findall(r'<img src="([^"]+)"', str(page.html)):
        assert finders.find(picture.removeprefix(f"/{settings.STATIC_URL.strip('/')}/")), picture


def test_search_finds_parts_with_all_words_and_those_with_them_in_the_heading_first() -> None:
    found = search("ballot box")

    assert found[0].page.slug == "governance" and found[0].part.heading == "The ballot box"
    assert all(
        "ballot" in f"{one.page.title} {one.part.heading} {one.part.text}".lower() for one in found
    )
    assert search("") == [] and search("xyzzy") == []
    assert search("xyzzy( [") == []


@pytest.mark.django_db
def test_the_front_answers_a_search_and_says_when_nothing_has_the_words(client: Client) -> None:
    front = reverse("help:index")

    assert "The right to leave" in client.get(front).content.decode()
    found = client.get(front, {"q": "receipt nonce"}).content.decode()
    assert f"{read('governance').url}#the-ballot-box" in found
    nothing = client.get(front, {"q": "<b>xyzzy"}).content.decode()
    assert "Nothing has all of these words" in nothing and "<b>xyzzy" not in nothing


@pytest.mark.django_db
def test_no_file_outside_the_contents_is_shown(client: Client) -> None:
    for slug in ("../README", "decisions", "images/home", "nothing"):
        assert client.get(f"/help/{slug}/").status_code == 404
