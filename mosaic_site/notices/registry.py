"""The kinds of notices that members may get."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """`name`: as a person would say it, "A round opens". `immediate`: mailed by itself, at once;
    the others are gathered into one mail a day."""

    name: str
    immediate: bool = False


KINDS: dict[str, Kind] = {}


def register(kinds: Mapping[str, Kind]) -> None:
    """Called by each app when it is ready, with the kinds that it sends."""
    KINDS.update(kinds)


def immediate_kinds() -> list[str]:
    return [key for key, kind in KINDS.items() if kind.immediate]
