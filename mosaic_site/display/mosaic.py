"""The mosaic as a picture: which tile stands where, what is written on it, what the key says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from mosaic_site.display.treemap import Rectangle, squarify
from mosaic_site.display.words import percent, tile_colour

GROUT = 3.0  # between two tiles
LETTER = 8.6  # a letter of the name is at most about this wide
LEAST_SIDE = 26.0  # a tile narrower or lower than this has no room for its number
NAME_OFFSET = 30.0  # the name stands behind the number


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
    """One expert in the mosaic. Without a positive weight it has no share and no places."""

    number: int
    label: str
    weight: float
    colour: int
    url: str
    detail: str
    share: str = ""


@dataclass(frozen=True)
class Picture:
    """One drawing of the mosaic: its shape and the tiles with their places."""

    shape: str
    viewbox: str
    tiles: tuple[tuple[Tile, Place], ...]


# The page shows the one that suits its width; both are one unit a pixel there, letters included.
SHAPES = {"wide": (1080.0, 350.0), "tall": (340.0, 320.0)}


def read_tiles(things: Iterable[object]) -> list[Tile]:
    """Number the tiles in their order and give those of positive weight their share of the whole.

    A thing is an object or mapping with ``label``, ``weight`` and optionally ``colour``, ``url``
    and ``detail``.
    """
    tiles = [_read(number, thing) for number, thing in enumerate(things, start=1)]
    total = sum(tile.weight for tile in tiles if tile.weight > 0)
    return [
        replace(tile, share=percent(tile.weight / total)) if tile.weight > 0 else tile
        for tile in tiles
    ]


def draw(tiles: Iterable[Tile]) -> list[Picture]:
    """Place the tiles that have a share, once for each shape, by squarified treemap."""
    drawn = [tile for tile in tiles if tile.share]
    weights = [tile.weight for tile in drawn]
    return [
        Picture(
            shape=shape,
            viewbox=f"0 0 {width:.0f} {height:.0f}",
            tiles=tuple(
                (tile, _place(rectangle, tile.label))
                for tile, rectangle in zip(drawn, squarify(weights, width, height), strict=True)
            ),
        )
        for shape, (width, height) in SHAPES.items()
        if drawn
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
    letters = int((rectangle.width - NAME_OFFSET - 6) / LETTER)
    has_number = min(rectangle.width, rectangle.height) >= LEAST_SIDE
    return Place(
        x=f"{rectangle.x + GROUT / 2:.1f}",
        y=f"{rectangle.y + GROUT / 2:.1f}",
        width=f"{max(rectangle.width - GROUT, 0.5):.1f}",
        height=f"{max(rectangle.height - GROUT, 0.5):.1f}",
        number_x=f"{rectangle.x + 10:.1f}",
        name_x=f"{rectangle.x + NAME_OFFSET:.1f}",
        text_y=f"{rectangle.y + 21:.1f}",
        has_number=has_number,
        name=_shorten(label, letters) if has_number and letters >= 4 else "",
    )


def _shorten(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"
