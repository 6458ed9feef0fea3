"""Reads a page of `docs/`: its title, its parts, its HTML with links that lead within the site."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.templatetags.static import static
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mosaic_site.help.contents import DOCS, SECTIONS, SLUGS

# HTML in the text stays text: the pages are Markdown and nothing else.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_TEXT = {"inline", "fence", "code_block"}
MOST_FOUND = 20
SNIPPET = 160


@dataclass(frozen=True)
class Part:
    """A heading of a page and what stands below it, as plain text. The first has the page's title
    and no anchor."""

    heading: str
    anchor: str
    level: int
    text: str


@dataclass(frozen=True)
class Page:
    slug: str
    title: str
    html: SafeString
    parts: Sequence[Part]

    @property
    def url(self) -> str:
        return reverse("help:page", args=[self.slug])

    @property
    def headings(self) -> list[Part]:
        """What "On this page" lists."""
        return [part for part in self.parts if part.level == 2]


@dataclass(frozen=True)
class Found:
    """A part of a page in which all words of a question stand."""

    page: Page
    part: Part
    snippet: str

    @property
    def url(self) -> str:
        return f"{self.page.url}#{self.part.anchor}" if self.part.anchor else self.page.url


def read(slug: str) -> Page:
    """The page, as its file is now. Raises KeyError for one that is not in the contents."""
    if slug not in SLUGS:
        raise KeyError(slug)
    path = DOCS / f"{slug}.md"
    return _read(slug, path.stat().st_mtime_ns)


def contents() -> list[tuple[str, str, list[Page]]]:
    """(title, purpose, pages) of every section."""
    return [
        (section.title, section.purpose, [read(slug) for slug in section.slugs])
        for section in SECTIONS
    ]


def neighbours(slug: str) -> tuple[Page | None, Page | None]:
    """The pages before and after, in the order of the contents."""
    place = SLUGS.index(slug)
    before = read(SLUGS[place - 1]) if place else None
    after = read(SLUGS[place + 1]) if place + 1 < len(SLUGS) else None
    return before, after


def search(question: str) -> list[Found]:
    """Parts in which every word of the question begins a word, those with it in the heading first.

    At most MOST_FOUND. No word, nothing found.
    """
    words = [re.compile(rf"\b{re.escape(word)}", re.IGNORECASE) for word in question.split()]
    if not words:
        return []
    ranked: list[tuple[int, int, int, Found]] = []
    for slug in SLUGS:
        page = read(slug)
        for part in page.parts:
            whole = f"{page.title} {part.heading} {part.text}"
            if all(word.search(whole) for word in words):
                in_heading = sum(bool(word.search(part.heading)) for word in words)
                in_text = sum(len(word.findall(part.text)) for word in words)
                found = Found(page, part, _snippet(part.text, words[0]))
                ranked.append((-in_heading, -in_text, len(ranked), found))
    return [found for *_, found in sorted(ranked)[:MOST_FOUND]]


@lru_cache(maxsize=256)
def _read(slug: str, changed: int) -> Page:
    tokens = _MARKDOWN.parse((DOCS / f"{slug}.md").read_text(encoding="utf-8"))
    parts, title = _parts(tokens), slug
    if parts:
        title = parts[0].heading
    _lead_within(tokens, slug)
    # The page shows its title itself.
    body = tokens[3:] if tokens and tokens[0].tag == "h1" else tokens
    html = _MARKDOWN.renderer.render(body, _MARKDOWN.options, {})
    html = html.replace("<table>", '<div class="table-scroll" tabindex="0"><table class="table">')
    html = html.replace("</table>", "</table></div>").replace("<pre>", '<pre tabindex="0">')
    # Safe: written by us, and HTML in it was escaped.
    return Page(slug, title, mark_safe(html), parts)


def _parts(tokens: Sequence[Token]) -> list[Part]:
    """Gives every heading an anchor, as GitHub does, and gathers what stands below it."""
    parts: list[Part] = []
    taken: dict[str, int] = {}
    texts: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            _close(parts, texts)
            heading = _plain(tokens[index + 1])
            anchor, level = "", int(token.tag[1])
            if level > 1:
                anchor = _anchor(heading, taken)
                token.attrSet("id", anchor)
            parts.append(Part(heading, anchor, level, ""))
        elif token.type in _TEXT and (index == 0 or tokens[index - 1].type != "heading_open"):
            texts.append(_plain(token))
    _close(parts, texts)
    return parts


def _close(parts: list[Part], texts: list[str]) -> None:
    if parts:
        last = parts.pop()
        parts.append(Part(last.heading, last.anchor, last.level, " ".join(texts)))
    texts.clear()


def _anchor(heading: str, taken: dict[str, int]) -> str:
    plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    number = taken.get(plain, 0)
    taken[plain] = number + 1
    return f"{plain}-{number}" if number else plain


def _plain(token: Token) -> str:
    if not token.children:
        return token.content
    return "".join(
        " " if child.type in {"softbreak", "hardbreak"} else child.content
        for child in token.children
    )


def _lead_within(tokens: Sequence[Token], slug: str) -> None:
    """Links to other files of `docs/` lead to their pages, pictures come from the static files."""
    here = posixpath.dirname(slug)
    for token in (child for each in tokens for child in each.children or []):
        if token.type == "link_open":
            target, _, fragment = str(token.attrGet("href") or "").partition("#")
            if target.endswith(".md") and "://" not in target:
                other = posixpath.normpath(posixpath.join(here, target)).removesuffix(".md")
                if other in SLUGS:
                    url = reverse("help:page", args=[other])
                    token.attrSet("href", f"{url}#{fragment}" if fragment else url)
        elif token.type == "image":
            source = posixpath.normpath(posixpath.join(here, str(token.attrGet("src"))))
            token.attrSet("src", static(f"help/{source.removeprefix('images/')}"))


def _snippet(text: str, word: re.Pattern[str]) -> str:
    """Some of the text around the word."""
    match = word.search(text)
    middle = match.start() if match else 0
    # Cut between words.
    start = text.rfind(" ", 0, max(0, middle - SNIPPET // 2)) + 1
    end = text.find(" ", start + SNIPPET)
    return ("… " if start else "") + (text[start:] if end < 0 else f"{text[start:end]} …")
