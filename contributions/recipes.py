"""A recipe as members choose it: few knobs. Only what differs from the defaults is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Thoroughness:
    """How often the data is read: at most `passes` times and at most `max_tokens` tokens.

    None leaves both to the workers' defaults.
    """

    label: str
    passes: int | None = None
    max_tokens: int | None = None


THOROUGHNESS = {
    "quick": Thoroughness("Quick: a first look, about a third of the time", 10, 80_000),
    "normal": Thoroughness("Normal: what suits most datasets"),
    "thorough": Thoroughness("Thorough: twice the time, for difficult data", 60, 480_000),
}
RANKS = (8, 16, 32)
DEFAULT_RANK = 32


def recipe_from(
    *, thoroughness: str, rank: int, learning_rate: float | None, seed: int
) -> dict[str, Any]:
    """The recipe as the workers read it."""
    reading = THOROUGHNESS[thoroughness]
    recipe: dict[str, Any] = {}
    if reading.passes is not None:
        recipe |= {"passes": reading.passes, "max_tokens": reading.max_tokens}
    if rank != DEFAULT_RANK:
        # alpha grows with the rank, so that the adapter's scaling alpha / rank stays the same.
        recipe |= {"rank": rank, "alpha": 2 * rank}
    if learning_rate is not None:
        recipe["learning_rate"] = learning_rate
    if seed:
        recipe["seed"] = seed
    return recipe


def choices_of(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """What a member chose to get this recipe; the inverse of `recipe_from`."""
    passes = recipe.get("passes")
    chosen = [name for name, reading in THOROUGHNESS.items() if reading.passes == passes]
    return {
        "thoroughness": chosen[0] if chosen else "normal",
        "rank": recipe.get("rank", DEFAULT_RANK),
        "learning_rate": recipe.get("learning_rate"),
        "seed": recipe.get("seed", 0),
    }


def in_words(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each knob, for a page."""
    words = {
        "passes": "Passes over the data, at most",
        "max_tokens": "Tokens read, at most",
        "rank": "Adapter rank",
        "alpha": "Adapter alpha",
        "batch_size": "Rows in a batch",
        "learning_rate": "Learning rate",
        "seed": "Seed",
    }
    return [
        (words.get(name, name), "no limit" if value is None else f"{value:,}")
        for name, value in recipe.items()
    ]
