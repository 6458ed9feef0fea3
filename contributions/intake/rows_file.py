"""Writing rows as JSON Lines of {"prompt", "completion"}."""

from typing import BinaryIO

import numpy as np
import pyarrow as pa
from numba import njit

from contributions.intake.words import Bytes, flat

_PARTS = [np.frombuffer(part, np.uint8) for part in
          (b'{"prompt":"', b'","completion":"', b'"}\n')]  # fmt: skip
_SHORT = {8: b"b", 9: b"t", 10: b"n", 12: b"f", 13: b"r", 34: b'"', 92: b"\\"}
_LONGEST = 6  # bytes of an escaped one, as in \u001f
_compiled = njit(cache=True, nogil=True)


def _escapes() -> Bytes:
    """What follows the backslash for each byte: 0 where the byte stands for itself."""
    table = np.zeros(256, np.uint8)
    table[:32] = b"u"[0]
    for byte, short in _SHORT.items():
        table[byte] = short[0]
    return table


_ESCAPES = _escapes()


def write_rows(prompts: pa.StringArray, completions: pa.StringArray, output: BinaryIO) -> None:
    """Append the rows to `output`. Strings are escaped as RFC 8259, section 7, demands."""
    first, second = flat(prompts), flat(completions)
    marked = sum(_count_escaped(data, offsets, _ESCAPES) for data, offsets in (first, second))
    plain = sum(int(offsets[-1] - offsets[0]) for _, offsets in (first, second))
    around = len(prompts) * sum(map(len, _PARTS))
    room: Bytes = np.empty(plain + around + marked * (_LONGEST - 1), np.uint8)
    start, middle, end = _PARTS
    length = _write(*first, *second, start, middle, end, _ESCAPES, room)
    output.write(room[:length].data)


@_compiled
def _count_escaped(data, offsets, escapes):  # type: ignore[no-untyped-def]
    count = np.uint64(0)
    for at in range(np.uint64(offsets[0]), np.uint64(offsets[-1])):
        count += np.uint64(escapes[data[at]] != 0)
    return count


@_compiled
def _copy(data, start, end, room, to):  # type: ignore[no-untyped-def]
    room[to : to + (end - start)] = data[start:end]
    return to + (end - start)


@_compiled
def _copy_escaped(data, start, end, escapes, room, to):  # type: ignore[no-untyped-def]
    """Copy what lies between two escaped bytes at once: in most texts that is all there is."""
    done = start
    for at in range(start, end):
        byte = data[at]
        escape = escapes[byte]
        if escape == 0:
            continue
        to = _copy(data, done, at, room, to)
        done = at + np.uint64(1)
        room[to], room[to + np.uint64(1)] = 92, escape
        to += np.uint64(2)
        if escape == 117:  # u, and four hexadecimal digits
            low = byte & 15
            room[to], room[to + np.uint64(1)] = 48, 48
            room[to + np.uint64(2)] = 48 + (byte >> 4)
            room[to + np.uint64(3)] = low + (48 if low < 10 else 87)
            to += np.uint64(4)
    return _copy(data, done, end, room, to)


@_compiled
def _write(  # type: ignore[no-untyped-def]
    prompts, prompt_offsets, completions, completion_offsets, start, middle, end, escapes, room
):
    to = nothing = np.uint64(0)
    for row in range(len(prompt_offsets) - 1):
        to = _copy(start, nothing, np.uint64(len(start)), room, to)
        first, last = np.uint64(prompt_offsets[row]), np.uint64(prompt_offsets[row + 1])
        to = _copy_escaped(prompts, first, last, escapes, room, to)
        to = _copy(middle, nothing, np.uint64(len(middle)), room, to)
        first, last = np.uint64(completion_offsets[row]), np.uint64(completion_offsets[row + 1])
        to = _copy_escaped(completions, first, last, escapes, room, to)
        to = _copy(end, nothing, np.uint64(len(end)), room, to)
    return to
