"""What a file has in common with other datasets and with sealed probes, as far as it is told.

Told without a limit, it would answer questions row by row: is this one in somebody's private data,
is that one a sealed probe? So it is told only for files of some size, and only roughly: none and
few are one answer, and of more only the order of magnitude, which one row seldom changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

FEWEST_ROWS = 100
FEW = 10


def told(count: int, rows: int) -> str:
    """What the owner of a file with `rows` rows learns about `count` of them; nothing of a small
    file."""
    if rows < FEWEST_ROWS:
        return ""
    if count < FEW:
        return f"none or fewer than {FEW}"
    return f"{10 ** (len(str(count)) - 1):,} or more"


@dataclass(frozen=True)
class Shared:
    """Rows that a dataset of the same owner has as well, and rows that are nearly like its rows."""

    version_id: int
    exact: int
    near: int


@dataclass(frozen=True)
class Comparison:
    """`own` is for the owner's eyes; `others_exact`, `others_near` and `sealed` are `told`."""

    own: Sequence[Shared] = ()
    others_exact: str = ""
    others_near: str = ""
    sealed: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        own = tuple(Shared(**shared) for shared in data.get("own", ()))
        return cls(**{**data, "own": own})
