"""The folder of an adapter as it arrives: its files, or one zip of them.

Names are only compared, never used as paths, and nothing is unpacked but the four files that are
known: weights, config, card and profile. Everything else in a zip stays unread.
"""

import hashlib
import stat
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from contributions.intake.adapter import (
    CONFIG,
    WEIGHTS,
    AdapterLimits,
    AdapterRefused,
    Header,
    Settings,
    read_header,
    read_json,
    read_settings,
)
from contributions.intake.zips import BROKEN_ZIP

CARD, PROFILE = "README.md", "profile.json"
KNOWN = {WEIGHTS, CONFIG, CARD, PROFILE}
PROFILE_BUCKETS = 2**16
CHUNK = 2**18
END_OF_ZIP, END_OF_ZIP_BYTES = b"PK\x05\x06", 22
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class BroughtAdapter:
    """An adapter that was read as far as is safe without loading it."""

    settings: Settings
    header: Header
    sha256: str
    """Of the weights' file."""
    size: int
    card: str
    profile: dict[str, int] | None


def read_adapter_files(
    files: Sequence[tuple[str, IO[bytes]]], weights_out: IO[bytes], limits: AdapterLimits
) -> BroughtAdapter:
    """Read named files, or one zip, and copy the weights to `weights_out`.

    Raises AdapterRefused, whatever the files hold.
    """
    first = files[0][1].read(4)
    files[0][1].seek(0)
    if len(files) == 1 and first in (b"PK\x03\x04", END_OF_ZIP):
        return _read_zip(files[0][1], weights_out, limits)
    named: dict[str, IO[bytes]] = {}
    for name, file in files:
        known = _known_as(name)
        if known in named:
            raise AdapterRefused(f"{known} is there twice. Choose the files of one folder.")
        if known:
            named[known] = file
    return _read(named, weights_out, limits)


def _known_as(name: str) -> str | None:
    """Which of the known files this is; browsers write "adapter_model (1).safetensors" too."""
    for known in KNOWN:
        stem, _, suffix = known.partition(".")
        if name.startswith(stem) and name.endswith(suffix):
            return known
    return None


def _read_zip(file: IO[bytes], weights_out: IO[bytes], limits: AdapterLimits) -> BroughtAdapter:
    _bound_directory(file, limits)
    try:
        with zipfile.ZipFile(file) as archive:
            members = _members(archive.infolist())
            opened = {name: archive.open(member) for name, member in members.items()}
            return _read(opened, weights_out, limits)
    except BROKEN_ZIP as error:
        raise AdapterRefused(
            "The zip is damaged, encrypted or compressed in an unusual way. Pack it anew."
        ) from error


def _bound_directory(file: IO[bytes], limits: AdapterLimits) -> None:
    """Refuse a zip whose list of files is too long to be read, before it is read."""
    size = file.seek(0, 2)
    file.seek(max(0, size - END_OF_ZIP_BYTES))
    end = file.read()
    # A comment would let the end be found elsewhere than here.
    if len(end) < END_OF_ZIP_BYTES or end[:4] != END_OF_ZIP or end[20:] != b"\0\0":
        raise AdapterRefused("The zip is cut off, or has something behind its end. Pack it anew.")
    entries, directory = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if directory > size - END_OF_ZIP_BYTES:
        raise AdapterRefused("The zip lies about its length. Pack it anew.")
    if entries > limits.max_zip_entries or directory > limits.max_zip_directory_bytes:
        raise AdapterRefused(
            f"The zip holds more than {limits.max_zip_entries} files. "
            "Pack the adapter's folder alone."
        )
    file.seek(max(0, size - END_OF_ZIP_BYTES - 20))
    if file.read(4) == b"PK\x06\x07":
        raise AdapterRefused("The zip is of the kind for files above 4 GiB (zip64). Pack it anew.")
    file.seek(0)


def _members(entries: Sequence[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The known files of the uppermost folder that holds weights."""
    for entry in entries:
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
            raise AdapterRefused("The zip names a file outside of itself. Pack it anew.")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise AdapterRefused("The zip holds a link to another file. Pack the files themselves.")
    paths = [PurePosixPath(entry.filename) for entry in entries]
    homes = sorted((path.parent for path in paths if path.name == WEIGHTS), key=_depth)
    if not homes:
        return {}
    if len(homes) > 1 and _depth(homes[0]) == _depth(homes[1]):
        raise AdapterRefused("The zip holds several adapters. Pack the folder of one.")
    members: dict[str, zipfile.ZipInfo] = {}
    for path, entry in zip(paths, entries, strict=True):
        if path.parent == homes[0] and path.name in KNOWN:
            if path.name in members:
                raise AdapterRefused(f"The zip holds {path.name} twice.")
            if entry.compress_type not in PACKED or entry.header_offset < 0:
                raise zipfile.BadZipFile
            members[path.name] = entry
    return members


def _depth(path: PurePosixPath) -> int:
    return len(path.parts)


def _read(
    files: Mapping[str, IO[bytes]], weights_out: IO[bytes], limits: AdapterLimits
) -> BroughtAdapter:
    for name in (WEIGHTS, CONFIG):
        if name not in files:
            raise AdapterRefused(
                f"{name} is missing. Bring a zip of the adapter's folder, or its files; "
                "weights are taken as safetensors alone."
            )
    settings = read_settings(files[CONFIG].read(limits.max_config_bytes + 1), limits)
    sha256, size = _copy(files[WEIGHTS], weights_out, limits)
    weights_out.seek(0)
    header = read_header(weights_out, size, limits)
    if header.rank != settings.rank:
        raise AdapterRefused(
            f"{CONFIG} says rank {settings.rank}, but the weights have rank {header.rank}."
        )
    card = _card(files[CARD].read(limits.max_card_bytes + 1), limits) if CARD in files else ""
    profile = None
    if PROFILE in files:
        profile = _profile(files[PROFILE].read(limits.max_profile_bytes + 1), limits)
    return BroughtAdapter(settings, header, sha256, size, card, profile)


def _copy(weights: IO[bytes], out: IO[bytes], limits: AdapterLimits) -> tuple[str, int]:
    """Their SHA-256 and size, read no further than one chunk beyond the limit."""
    digest, size = hashlib.sha256(), 0
    while size <= limits.max_bytes and (chunk := weights.read(CHUNK)):
        digest.update(chunk)
        size += out.write(chunk)
    return digest.hexdigest(), size


def _card(content: bytes, limits: AdapterLimits) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise AdapterRefused(f"{CARD} is not text in UTF-8.") from error
    if len(content) > limits.max_card_bytes or "\0" in text:
        raise AdapterRefused(
            f"{CARD} must be text of at most {limits.max_card_bytes // 1024} KiB. Shorten it."
        )
    return text


def _profile(content: bytes, limits: AdapterLimits) -> dict[str, int]:
    """How often the prompts used which words: bucket to count."""
    found = read_json(content[: limits.max_profile_bytes], PROFILE)
    if not isinstance(found, dict) or not all(
        bucket.isascii()
        and bucket.isdecimal()
        and len(bucket) <= 5
        and int(bucket) < PROFILE_BUCKETS
        and isinstance(count, int)
        and not isinstance(count, bool)
        and 0 < count < 2**31
        for bucket, count in found.items()
    ):
        raise AdapterRefused(f"{PROFILE} is not what the training writes. Leave it out.")
    return found
