"""Rows that were there before: the same, nearly the same, or the same prompt answered otherwise.

Whether a row is the same as an earlier one is known at once, from a table in memory; everything
else is written to a file, about 60 bytes a row, and found out at the end by sorting.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from contributions.intake.batch import Batch
from contributions.intake.words import SKETCH_BYTES, Bytes, Numbers

_LIKE = 26  # of 32 bytes of two sketches: about four fifths of the runs of words in common
_BANDS = SKETCH_BYTES // 4  # rows with one of 8 bands in common are compared byte by byte
_LOOK_AT = 8  # rows of a band
_READ = 100_000
_INDEX = np.dtype([("digest", "<u8"), ("sketch", "u1", SKETCH_BYTES)])
_KEPT = np.dtype([*_INDEX.descr[:1], ("sketch", "u1", SKETCH_BYTES), ("prompt", "<u8"),
                  ("number", "<u4"), ("line", "<u4")])  # fmt: skip
_compiled = njit(cache=True, nogil=True)

Rows = npt.NDArray[np.int64]
Pairs = list[tuple[int, int, int]]


class SeenRows:
    """A table from digests to the first row of each: open addressing, 12 bytes a place."""

    def __init__(self) -> None:
        self._count = 0
        self._make(2**14)

    def first(self, digests: Numbers, numbers: Rows) -> Rows:
        """For each digest the row that had it before, 0 if none had."""
        while self._count + len(digests) > 0.7 * len(self._keys):
            keys, rows = self._keys, self._rows
            self._make(2 * len(keys))
            used = keys != 0
            _look_up(self._keys, self._rows, keys[used], rows[used], np.empty(used.sum(), np.int64))
        first = np.empty(len(digests), np.int64)
        self._count += _look_up(self._keys, self._rows, digests, numbers.astype(np.uint32), first)
        return first

    def _make(self, places: int) -> None:
        self._keys = np.zeros(places, np.uint64)
        self._rows = np.zeros(places, np.uint32)


class Kept:
    """What is remembered of the rows that are kept, in a file."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  closed by close()
        self.count = 0

    def add(self, batch: Batch, digests: Numbers, prompts: Numbers, sketches: Bytes) -> None:
        rows = np.empty(len(batch), _KEPT)
        rows["digest"], rows["prompt"], rows["sketch"] = digests, prompts, sketches
        rows["number"], rows["line"] = batch.numbers, batch.lines
        self._file.write(rows.tobytes())
        self.count += len(rows)

    def other_answers(self) -> "Found":
        """Rows whose prompt an earlier row has, with another completion."""
        prompts = self._column("prompt")
        first = np.full(self.count, -1, np.int32)
        _same(prompts, _ordered((prompts >> np.uint64(32)).astype(np.uint32)), first)
        return self._found(first)

    def nearly_the_same(self) -> "Found":
        """Rows of which an earlier one has about four fifths of the words, in their order."""
        sketches = self._column("sketch")
        first = np.full(self.count, -1, np.int32)
        for keys in _bands(sketches):
            _near(sketches, keys, _ordered(keys), first)
        return self._found(first)

    def write_index(self, path: Path) -> None:
        """What is needed to compare another file's rows with these, 40 bytes a row."""
        with path.open("wb") as out:
            head = {"descr": np.lib.format.dtype_to_descr(_INDEX), "fortran_order": False}
            np.lib.format.write_array_header_1_0(out, head | {"shape": (self.count,)})
            for rows in self._read():
                out.write(rows[["digest", "sketch"]].astype(_INDEX).tobytes())

    def compare(self, others: Mapping[str, Path]) -> dict[str, dict[str, int]]:
        """How many rows are the same, and nearly the same, as rows of the files indexed there.

        An index that is gone by now, as its owner left, is passed over.
        """
        indices = _read_indices(others)
        if not self.count:
            return {name: {"exact": 0, "near": 0} for name in indices}
        digests = self._column("digest")
        by_digest = np.argsort(digests)
        ordered = digests[by_digest]
        exact: dict[str, Rows] = {}
        near: dict[str, list[Rows]] = {}
        for name, index in indices.items():
            theirs = np.unique(index["digest"])
            places = np.minimum(np.searchsorted(ordered, theirs), self.count - 1)
            exact[name] = by_digest[places[ordered[places] == theirs]]
            near[name] = []
        sketches = self._column("sketch")
        for band, keys in enumerate(_bands(sketches)):
            order = _ordered(keys)
            ordered = keys[order]
            for name, index in indices.items():
                theirs = np.ascontiguousarray(index["sketch"])
                their_keys = theirs.view("<u4")[:, band]
                places = np.searchsorted(ordered, their_keys)
                rows = _near_in_other(sketches, ordered, order, theirs, their_keys, places)
                near[name].append(np.unique(rows[rows >= 0]))
        return {
            name: {
                "exact": len(exact[name]),
                "near": len(np.setdiff1d(np.concatenate(near[name]), exact[name])),
            }
            for name in indices
        }

    def close(self) -> None:
        self._file.close()

    def _read(self) -> Iterator[npt.NDArray[Any]]:
        self._file.seek(0)
        while block := self._file.read(_READ * _KEPT.itemsize):
            yield np.frombuffer(block, _KEPT)

    def _column(self, name: str) -> npt.NDArray[Any]:
        found = np.empty(self.count, _KEPT[name])
        end = 0
        for rows in self._read():
            found[end : end + len(rows)] = rows[name]
            end += len(rows)
        return found

    def _found(self, first: npt.NDArray[np.int32]) -> "Found":
        numbers, lines = self._column("number"), self._column("line")
        rows = np.flatnonzero(first >= 0)
        listed = rows[:LISTED_PAIRS]
        return Found(
            len(rows),
            [(int(numbers[row]), int(lines[row]), int(numbers[first[row]])) for row in listed],
        )


LISTED_PAIRS = 50


class Found:
    """How many rows, and of the first of them the number, the line and the earlier row."""

    def __init__(self, count: int, listed: Pairs) -> None:
        self.count = count
        self.listed = listed


def _bands(sketches: Bytes) -> Iterator[npt.NDArray[np.uint32]]:
    for band in range(_BANDS):
        yield np.ascontiguousarray(sketches.view("<u4")[:, band])


def _ordered(keys: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """The rows by key, those of one key in their order: one fast sort of key and row together."""
    together = keys.astype(np.uint64)
    together <<= np.uint64(32)
    together |= np.arange(len(keys), dtype=np.uint32)
    together.sort()
    return together.astype(np.uint32)  # its lower half


def _read_indices(paths: Mapping[str, Path]) -> dict[str, npt.NDArray[Any]]:
    """Mapped into memory, not read: what is deleted from here on can be read still."""
    indices = {}
    for name, path in paths.items():
        with suppress(FileNotFoundError):
            indices[name] = _read_index(path)
    return indices


def _read_index(path: Path) -> npt.NDArray[Any]:
    """Raises ValueError for a file that is no index, and OSError."""
    found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if found.dtype != _INDEX:
        raise ValueError(f"{path} is not an index of rows.")
    return found


@_compiled
def _look_up(keys, rows, digests, numbers, first):  # type: ignore[no-untyped-def]
    new = 0
    last = np.uint64(len(keys) - 1)
    for at in range(len(digests)):
        place = digests[at] & last
        while keys[place] != 0 and keys[place] != digests[at]:
            place = (place + np.uint64(1)) & last
        first[at] = rows[place]
        if keys[place] == 0:
            keys[place], rows[place] = digests[at], numbers[at]
            new += 1
    return new


@_compiled
def _same(keys, order, first):  # type: ignore[no-untyped-def]
    for at in range(1, len(order)):
        before, row = order[at - 1], order[at]
        if keys[before] == keys[row]:
            first[row] = first[before] if first[before] >= 0 else before


@_compiled
def _alike(one, other):  # type: ignore[no-untyped-def]
    same = 0
    for place in range(SKETCH_BYTES):
        same += one[place] == other[place]
    return same >= _LIKE


@_compiled
def _near(sketches, keys, order, first):  # type: ignore[no-untyped-def]
    """Compare each row with the first of its band and with the one before it."""
    leader = 0
    for at in range(1, len(order)):
        row = order[at]
        if keys[row] != keys[order[leader]]:
            leader = at
        elif first[row] < 0:
            if _alike(sketches[row], sketches[order[leader]]):
                first[row] = order[leader]
            elif _alike(sketches[row], sketches[order[at - 1]]):
                first[row] = order[at - 1]


@_compiled
def _near_in_other(sketches, ordered, order, theirs, their_keys, places):  # type: ignore[no-untyped-def]
    """For each of their rows one of ours that is like it, -1 if there is none."""
    found = np.full(len(theirs), -1, np.int64)
    for row in range(len(theirs)):
        for at in range(places[row], min(places[row] + _LOOK_AT, len(ordered))):
            if ordered[at] != their_keys[row]:
                break
            if _alike(sketches[order[at]], theirs[row]):
                found[row] = order[at]
                break
    return found
