"""Texts as numbers: what is compared, row against row, without keeping the rows.

The loops over bytes and words are compiled by numba; they take UTF-8 text as Arrow keeps it, all
rows in one array `data`, row i from `offsets[i]` to `offsets[i + 1]`.

Words are runs of letters and digits in lower case; each ideograph or syllable of a script without
spaces is a word of its own.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

GRAM = 13  # words: the length at which an overlap is no accident (Brown et al. 2020, appendix C)
SKETCH_BYTES = 32

Numbers = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[Any]

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_OTHER_PRIME = np.uint64(0xC2B2AE3D27D4EB4F)
_LONG_WORD = 16  # letters and digits, as in a key
_MANY_DIGITS = 7  # in words that follow each other, as in a telephone number
_BITS = 2**20
_EVERYTHING = np.zeros(0, np.bool_)
_compiled = njit(cache=True, nogil=True, boundscheck=False)


def _letters() -> tuple[Numbers, Numbers]:
    """Of each byte: the letter or digit it counts as, 0 between words; and whether it belongs to
    the word before it, yes being all bits set."""
    letters, inside = np.zeros(256, np.uint64), np.zeros(256, np.uint64)
    for byte in range(256):
        if byte >= 128 or chr(byte).isalnum():
            letters[byte] = ord(chr(byte).lower()) if byte < 128 else byte
            # 0xE3 to 0xED begin ideographs, kana and hangul.
            inside[byte] = 0 if 0xE3 <= byte <= 0xED else 0xFFFFFFFFFFFFFFFF
    return letters, inside


_LETTERS, _INSIDE = _letters()


def flat(texts: pa.StringArray) -> tuple[Bytes, Offsets]:
    """The bytes and the offsets of an Arrow array, without a copy."""
    _, offsets, data = texts.buffers()
    within = slice(texts.offset, texts.offset + len(texts) + 1)
    return (
        np.frombuffer(data or b"", np.uint8),
        np.frombuffer(offsets, np.int32)[within] if offsets else np.zeros(1, np.int32),
    )


def folded(texts: pa.StringArray) -> pa.StringArray:
    """The texts in one Unicode form and in lower case; ASCII is left to the loops below."""
    if pc.all(pc.string_is_ascii(texts)).as_py() is not False:
        return texts
    return pc.utf8_lower(pc.utf8_normalize(texts, "NFKC"))


class Words:
    """The words of each text as 64-bit hashes: row i has `hashes[ends[i - 1]:ends[i]]`."""

    def __init__(self, texts: pa.StringArray) -> None:
        self.data, self.offsets = flat(folded(texts))
        room = np.empty(int(self.offsets[-1] - self.offsets[0]) // 2 + len(texts) + 1, np.uint64)
        self.ends = np.zeros(len(texts) + 1, np.int64)
        _cut(self.data, self.offsets, _LETTERS, _INSIDE, room, self.ends)
        self.hashes = room[: self.ends[-1]].copy()  # a third of the room or less

    def __len__(self) -> int:
        return len(self.ends) - 1


def suspects(texts: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Which texts may hold an address, a telephone number or a key: only they are looked at."""
    data, offsets = flat(texts)
    found = np.zeros(len(texts), np.bool_)
    _suspect(data, offsets, found)
    return found


def digests(texts: pa.StringArray, seeds: Numbers) -> Numbers:
    """64 bits for each text: half a million rows collide with a probability below 1e-8."""
    data, offsets = flat(texts)
    found = np.empty(len(texts), np.uint64)
    _digest(data, offsets, seeds, found)
    return found


def sketches(prompts: Words, completions: Words, digests: Numbers) -> Bytes:
    """Of each row 32 bytes that agree with another row's in about the share of words in common.

    MinHash over runs of three words by one permutation (Li, Owen and Zhang 2012): each run falls
    into one of 32 bins, the least of a bin counts, of which the last byte is kept (Li and König
    2010); an empty bin borrows from the next (Shrivastava and Li 2014).
    """
    found = np.empty((len(prompts), SKETCH_BYTES), np.uint8)
    _sketch(prompts.hashes, prompts.ends, completions.hashes, completions.ends, found)
    # Rows without any word are alike only if they are the same.
    wordless = np.diff(prompts.ends) + np.diff(completions.ends) == 0
    found[wordless] = np.tile(digests[wordless, None], SKETCH_BYTES // 8).view(np.uint8)
    return found


def short_digests(words: Words) -> Numbers:
    """Of each text with fewer than 13 words a digest of all of it, up to spacing; else 0."""
    found = np.zeros(len(words), np.uint64)
    _digest_short(words.data, words.offsets, _LETTERS, words.ends, found)
    return found


def grams(words: Words) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """All runs of 13 words, as hashes, and the row of each."""
    room = int(words.ends[-1])
    found, rows = np.empty(room, np.uint64), np.empty(room, np.int64)
    count = _grams(words.hashes, words.ends, _EVERYTHING, np.zeros(0, np.uint64), found, rows)
    return found[:count], rows[:count]


class Wanted:
    """Hashes to look for: the bits turn nearly all others away before the search begins."""

    def __init__(self, hashes: Numbers) -> None:
        self.hashes = np.unique(hashes)
        self.bits = np.zeros(_BITS, np.bool_)
        self.bits[self.hashes & np.uint64(_BITS - 1)] = True

    def among_grams(self, words: Words) -> npt.NDArray[np.bool_]:
        """Which texts have one of them among their runs of 13 words."""
        found, rows = np.empty(0, np.uint64), np.empty(len(words), np.int64)
        count = _grams(words.hashes, words.ends, self.bits, self.hashes, found, rows)
        which = np.zeros(len(words), np.bool_)
        which[rows[:count]] = True
        return which


@_compiled
def _mix(value):  # type: ignore[no-untyped-def]
    value = (value ^ (value >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return value ^ (value >> np.uint64(32))


@_compiled
def _cut(data, offsets, letters, inside, hashes, ends):  # type: ignore[no-untyped-def]
    """One step a byte without a branch, which would be guessed wrongly at the end of each word.

    Indices are unsigned, so that numba needs no step for negative ones.
    """
    count = np.uint64(0)
    for row in range(len(offsets) - 1):
        word = np.uint64(0)
        for at in range(np.uint64(offsets[row]), np.uint64(offsets[row + 1])):
            byte = data[at]
            stays = inside[byte]
            hashes[count] = word
            count += np.uint64(word != np.uint64(0) and stays == np.uint64(0))
            word = (((word << np.uint64(7)) | (word >> np.uint64(57))) & stays) ^ letters[byte]
        hashes[count] = word
        count += np.uint64(word != np.uint64(0))
        ends[row + 1] = count


@_compiled
def _suspect(data, offsets, found):  # type: ignore[no-untyped-def]
    for row in range(len(found)):
        start, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        digits = at_signs = np.uint32(0)
        for at in range(start, end):
            digits += np.uint32(np.uint8(data[at] - np.uint8(48)) < np.uint8(10))
            at_signs += np.uint32(data[at] == np.uint8(64))
        found[row] = at_signs > 0
        if found[row] or digits == 0:  # keys and numbers have digits
            continue
        length = together = 0
        for at in range(start, end):
            byte = data[at]
            digit = 48 <= byte <= 57
            letter = 65 <= (byte & 0xDF) <= 90
            length = length + 1 if digit or letter else 0
            together = together + 1 if digit else 0 if letter else together
            if length >= _LONG_WORD or together >= _MANY_DIGITS:
                found[row] = True
                break


@_compiled
def _digest(data, offsets, seeds, found):  # type: ignore[no-untyped-def]
    for row in range(len(offsets) - 1):
        at, end = offsets[row], offsets[row + 1]
        value = seeds[row] ^ (np.uint64(end - at) * _PRIME)
        while at + 8 <= end:
            eight = np.uint64(0)
            for byte in range(8):
                eight |= np.uint64(data[at + byte]) << np.uint64(8 * byte)
            value = (value ^ eight) * _PRIME
            value ^= value >> np.uint64(29)
            at += 8
        for rest in range(at, end):
            value = (value ^ np.uint64(data[rest])) * _PRIME
            value ^= value >> np.uint64(29)
        found[row] = max(_mix(value), np.uint64(1))  # 0 marks an empty place in a table


@_compiled
def _sketch(prompts, prompt_ends, completions, completion_ends, found):  # type: ignore[no-untyped-def]
    least = np.empty(SKETCH_BYTES, np.uint64)
    nothing = np.uint64(0xFFFFFFFFFFFFFFFF)
    for row in range(len(found)):
        least[:] = nothing
        one = two = np.uint64(0)
        split = prompt_ends[row + 1] - prompt_ends[row]
        count = split + completion_ends[row + 1] - completion_ends[row]
        for at in range(count):
            if at < split:
                word = prompts[prompt_ends[row] + at]
            else:
                word = completions[completion_ends[row] + at - split]
            if at >= 2 or at == count - 1:
                run = _mix(_mix(word) + two * _PRIME + one * _OTHER_PRIME)
                place = run >> np.uint64(59)
                least[place] = min(least[place], run)
            one, two = two, _mix(word)
        for place in range(SKETCH_BYTES):
            far = 0
            while least[(place + far) % SKETCH_BYTES] == nothing and far < SKETCH_BYTES:
                far += 1
            lent = least[(place + far) % SKETCH_BYTES] >> np.uint64(8 * (far % 6))
            found[row, place] = np.uint8(lent & np.uint64(255))


@_compiled
def _digest_short(data, offsets, letters, ends, found):  # type: ignore[no-untyped-def]
    for row in range(len(found)):
        if ends[row + 1] - ends[row] >= GRAM:
            continue
        value = _PRIME
        gap = False
        for at in range(offsets[row], offsets[row + 1]):
            byte = data[at]
            if byte <= 32:
                gap = value != _PRIME
                continue
            if gap:
                value = (value ^ np.uint64(32)) * _OTHER_PRIME
                gap = False
            letter = letters[byte] if letters[byte] else np.uint64(byte)
            value = (value ^ letter) * _OTHER_PRIME
            value ^= value >> np.uint64(29)
        found[row] = max(_mix(value), np.uint64(1))


@_compiled
def _grams(hashes, ends, bits, wanted, found, rows):  # type: ignore[no-untyped-def]
    """Fill `found` with all runs, or `rows` with the rows that have one of those `wanted`."""
    highest = np.uint64(1)
    for _ in range(GRAM):
        highest *= _PRIME
    everything = len(bits) == 0
    count = 0
    for row in range(len(ends) - 1):
        start = np.uint64(ends[row])
        rolling = np.uint64(0)
        for at in range(start, np.uint64(ends[row + 1])):
            rolling = rolling * _PRIME + _mix(hashes[at])
            if at - start >= np.uint64(GRAM):
                rolling -= _mix(hashes[at - np.uint64(GRAM)]) * highest
            if at - start < np.uint64(GRAM - 1):
                continue
            run = max(_mix(rolling), np.uint64(1))
            if everything:
                found[count], rows[count] = run, row
                count += 1
            elif bits[run & np.uint64(_BITS - 1)]:
                place = np.searchsorted(wanted, run)
                if place < len(wanted) and wanted[place] == run:
                    rows[count] = row
                    count += 1
                    break
    return count
