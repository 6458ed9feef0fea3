"""What differs between two versions of a dataset: rows that were added, and rows that went.

Pure: it reads the normalised rows (JSON lines of prompt and completion) and knows no Django.
A row is remembered by 64 bits of Python's own hash (SipHash, with a key of this process), so that
memory does not grow with the rows' length; a million rows collide with a probability below 1e-7.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

Opened = Callable[[], AbstractContextManager[Iterable[bytes]]]

MOST_SHOWN = 50


class Row(NamedTuple):
    prompt: str
    completion: str


@dataclass(frozen=True)
class Differences:
    """How many different rows there are, and the first of those that one version alone has."""

    kept: int
    added: int
    removed: int
    first_added: list[Row]
    first_removed: list[Row]


def differences(old: Opened, new: Opened) -> Differences:
    """Compare two files of rows, wherever in the file and however often a row stands.

    Each is opened twice and read as a stream: for the hashes, and for the rows to show.
    """
    before, after = _Content(old), _Content(new)
    added, removed = after.without(before), before.without(after)
    return Differences(
        kept=after.hashes.size - added.size,
        added=added.size,
        removed=removed.size,
        first_added=_at(new, added[:MOST_SHOWN]),
        first_removed=_at(old, removed[:MOST_SHOWN]),
    )


class _Content:
    """The different hashes of a file's rows, and where in it each stands first."""

    def __init__(self, opened: Opened) -> None:
        every = np.frombuffer(array("q", map(hash, _rows(opened))), dtype=np.int64)
        self.hashes, self.places = np.unique(every, return_index=True)

    def without(self, other: "_Content") -> NDArray[np.intp]:
        """Where the rows stand that the other does not have, in the order of the file."""
        alone = np.isin(self.hashes, other.hashes, assume_unique=True, invert=True)
        return np.sort(self.places[alone])


def _rows(opened: Opened) -> Iterator[Row]:
    with opened() as lines:
        for line in lines:
            row = orjson.loads(line)
            yield Row(row["prompt"], row["completion"])


def _at(opened: Opened, places: NDArray[np.intp]) -> list[Row]:
    """The rows at these places, which are in order."""
    if not places.size:
        return []
    wanted = set(places.tolist())
    first_rows = islice(_rows(opened), int(places[-1]) + 1)
    return [row for place, row in enumerate(first_rows) if place in wanted]
