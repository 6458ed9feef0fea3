"""Contrast in both themes, computed from the tokens themselves (WCAG 2.2, relative luminance)."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

TOKENS = (settings.REPOSITORY / "static/css/tokens.css").read_text()
PAIRS = {
    name: pair
    for name, *pair in re.findall(
        r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", TOKENS
    )
}
THEMES = pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
TILES = [f"tile-{number}" for number in range(1, 13)]


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(theme: int, one: str, other: str) -> float:
    low, high = sorted(luminance(PAIRS[name][theme]) for name in (one, other))
    return (high + 0.05) / (low + 0.05)


@THEMES
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((ink, back) for ink in ("ink", "ink-soft") for back in ("ground", "surface", "sunken")),
        *((link, back) for link in ("accent", "bad", "good") for back in ("ground", "surface")),
        ("on-accent", "accent"),
        ("on-accent", "good"),
        *((f"{tone}", f"{tone}-wash") for tone in ("good", "wait", "bad", "gold")),
        *(("ink", f"{tone}-wash") for tone in ("good", "wait", "bad", "accent")),
        ("accent", "accent-wash"),
        ("accent-strong", "accent-wash"),
        *(("on-tile", tile) for tile in TILES),
    ],
)
def test_text_has_at_least_four_and_a_half_to_one(theme: int, text: str, ground: str) -> None:
    assert contrast(theme, text, ground) >= 4.5


@THEMES
@pytest.mark.parametrize("mark", [*TILES, "line-strong", "accent"])
@pytest.mark.parametrize("ground", ["ground", "surface"])
def test_a_mark_has_at_least_three_to_one(theme: int, mark: str, ground: str) -> None:
    assert contrast(theme, mark, ground) >= 3


@THEMES
def test_the_contributors_colours_differ(theme: int) -> None:
    assert len({PAIRS[tile][theme] for tile in TILES}) == 12
