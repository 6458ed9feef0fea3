"""States and the moves between them: one table for each aggregate, checked under a row lock."""

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic_site.errors import Refused


@dataclass(frozen=True)
class Lifecycle:
    """A transition table: `moves[state]` lists the states that may follow it."""

    noun: str
    moves: Mapping[str, frozenset[str]]

    @property
    def states(self) -> frozenset[str]:
        return frozenset(self.moves)

    def allows(self, current: str, target: str) -> bool:
        return target in self.moves[current]

    def require(self, current: str, target: str) -> None:
        """Raise Refused where `current` may not become `target`."""
        if not self.allows(current, target):
            now, then = current.replace("_", " "), target.replace("_", " ")
            raise Refused(
                f"This {self.noun} is {now} now, so it cannot become {then}. "
                "Somebody, or a second click, may have been quicker."
            )
