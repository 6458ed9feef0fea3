"""The mosaic as a picture: which tile stands where, what is written on it, what the key says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from mosaic_site.display.treemap import Rectangle, squarify
from mosaic_site.display.words import percent, tile_colour

WIDTH, HEIGHT = 720, 320
GROUT = 3.0  # between two tiles
LETTER = 8.5  # a letter of the name is about this wide
LEAST_SIDE = 40.0  # a tile narrower or lower than this has no room for its number
NAME_OFFSET = 34.0  # the name stands behind the number


@dataclass(frozen=True)
class Place:
    """Where a tile is drawn, in the picture's user units, as the text of SVG attributes."""

    x: str
    y: str
    width: str
    height: str
    number_x: str
    name_x: str
    text_y: str
    has_number: bool
    name: str


@dataclass(frozen=True)
class Tile:
    """One expert in the mosaic. Without a positive weight it has no share and no place."""

    number: int
    label: str
    weight: float
    colour: int
    url: str
    detail: str
    share: str = ""
    place: Place | None = None


def lay_out(things: Iterable[object]) -> list[Tile]:
    """Number the tiles in their order and place those of positive weight by squarified treemap.

    A thing is an object or mapping with ``label``, ``weight`` and optionally ``colour``, ``url``
    and ``detail``.
    """
    tiles = [_read(number, thing) for number, thing in enumerate(things, start=1)]
    weights = [tile.weight for tile in tiles if tile.weight > 0]
    total = sum(weights)
    rectangles = iter(squarify(weights, WIDTH, HEIGHT))
    return [
        replace(
            tile,
            share=percent(tile.weight / total),
            place=_place(next(rectangles), tile.label),
        )
        if tile.weight > 0
        else tile
        for tile in tiles
    ]


def _read(number: int, thing: object) -> Tile:
    def field(name: str) -> Any:
        return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)

    weight = float(field("weight") or 0)
    return Tile(
        number=number,
        label=str(field("label")),
        weight=weight if isfinite(weight) else 0.0,
        colour=int(field("colour") or tile_colour(number)),
        url=str(field("url") or ""),
        detail=str(field("detail") or ""),
    )


def _place(rectangle: Rectangle, label: str) -> Place:
    letters = int((rectangle.width - NAME_OFFSET - 12) / LETTER)
    has_number = min(rectangle.width, rectangle.height) >= LEAST_SIDE
    return Place(
        x=f"{rectangle.x + GROUT / 2:.1f}",
        y=f"{rectangle.y + GROUT / 2:.1f}",
        width=f"{max(rectangle.width - GROUT, 0.5):.1f}",
        height=f"{max(rectangle.height - GROUT, 0.5):.1f}",
        number_x=f"{rectangle.x + 12:.1f}",
        name_x=f"{rectangle.x + NAME_OFFSET:.1f}",
        text_y=f"{rectangle.y + 26:.1f}",
        has_number=has_number,
        name=_shorten(label, letters) if has_number and letters >= 5 else "",
    )


def _shorten(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"
