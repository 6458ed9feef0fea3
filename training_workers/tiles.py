"""The experts of a release as tiles of its mosaic."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contributions.models import Expert
from mosaic_site.display.words import percent, tile_colour
from training_workers.models import ReleaseExpert


@dataclass(frozen=True)
class Tile:
    """What `{% mosaic %}` draws: `weight` is the area, `colour` (1 to 12) the contributor's."""

    label: str
    weight: float
    colour: int
    url: str
    detail: str


@dataclass(frozen=True)
class Band:
    """One expert in a strip of 100 units; numbers as SVG wants them, with a dot."""

    label: str
    colour: int
    x: str
    width: str


# In a strip, which has no key, every expert is in sight, however small its measured credit.
LEAST_SHARE = 0.02


def tiles_of(members: Iterable[ReleaseExpert]) -> list[Tile]:
    """One tile a member, its area its credit if that is above 0; needs `expert.owner` and
    `release` at hand."""
    return [
        Tile(
            label=member.expert.name,
            weight=max(member.credit, 0.0),
            colour=tile_colour(member.expert.owner_id),
            url=member.expert.get_absolute_url(),
            detail=_detail(member),
        )
        for member in members
    ]


def _detail(member: ReleaseExpert) -> str:
    who = f"by {member.expert.owner.display_name}"
    if member.expert.status != Expert.Status.ELIGIBLE:
        return f"{who}; withdrawn, it answers no more"
    if not member.release.report.get("shapley"):
        if not member.credit:
            return who
        return f"{who}; answered {percent(member.credit)} of all sealed probes right"
    # Its share of what the mosaic solves beyond the base.
    if member.credit < 0:
        return f"{who}; with it the mosaic solves {percent(-member.credit)} of all probes less"
    return f"{who}; adds {percent(member.credit)} of all probes to what the base solves"


def strip_of(members: Iterable[ReleaseExpert]) -> list[Band]:
    """The same mosaic as a line: shares of 100, left to right, all equal where none is measured."""
    tiles = tiles_of(members)
    areas = _areas([tile.weight for tile in tiles])
    bands, x = [], 0.0
    for tile, area in zip(tiles, areas, strict=True):
        width = 100 * area / sum(areas)
        bands.append(Band(tile.label, tile.colour, f"{x:.2f}", f"{width:.2f}"))
        x += width
    return bands


def _areas(credits: Sequence[float]) -> list[float]:
    total = sum(credits)
    return [max(credit, LEAST_SHARE * total) if total else 1.0 for credit in credits]
