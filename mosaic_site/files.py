"""Files and folders of the storage, for code that wants a path on this machine.

Everything that machines share lies in the default storage. Where that is a folder its own paths
are used. Where it is not, on S3 and the like, what is asked for is fetched once into this machine's
cache, `MOSAIC_HOME/cache`, which is bounded, and out of which `cache_sweep` drops what the storage
no longer has.

What lies in the storage under one name never changes. A *kept folder* is named by its content: the
last part of its name is the SHA-256 of its `SHA256SUMS`, as `sha256sum` writes and checks them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage

SUMS = "SHA256SUMS"
_CHUNK_BYTES = 2**20
# Whoever has just been given a path has this many seconds to open it.
_IN_USE_SECONDS = 600
# A fetch that has taken this long was broken off.
_STALE_SECONDS = 24 * 3600
_ARRIVING = ".arriving"


class FileDamaged(OSError):
    """What was fetched from the storage is not what was put there."""


def is_local() -> bool:
    """Whether the storage is a folder, so that its files have paths of their own."""
    return isinstance(default_storage, FileSystemStorage)


def folder_keep(folder: Path, below: str) -> str:
    """Store every file of `folder` as a kept folder under `below`. Returns its name.

    Whoever else keeps the same at the same time is no matter. Raises OSError.
    """
    sums = _sums(folder)
    name = f"{below}/{hashlib.sha256(sums.encode()).hexdigest()}"
    if is_local():
        _keep_locally(folder, sums, Path(default_storage.path(name)))
    elif not default_storage.exists(f"{name}/{SUMS}"):
        for path in _files(folder):
            with path.open("rb") as content:
                _put(f"{name}/{path.relative_to(folder).as_posix()}", File(content))
        # Last: with it the folder is there.
        _put(f"{name}/{SUMS}", ContentFile(sums.encode()))
    return name


def folder_at_hand(name: str) -> Path:
    """Where a kept folder lies on this machine; it is fetched and verified where it must be.

    Raises FileNotFoundError where the storage does not have it, FileDamaged and OSError.
    """
    if is_local():
        return Path(default_storage.path(name))
    return _cached(name, _fetch_folder)


def file_at_hand(name: str, sha256: str = "") -> Path:
    """Where a stored file lies on this machine; what is fetched is compared with `sha256`.

    Raises FileNotFoundError where the storage does not have it, FileDamaged and OSError.
    """
    if is_local():
        return Path(default_storage.path(name))
    return _cached(name, lambda name, to: _fetch_file(name, to, sha256))


def folder_delete(name: str) -> None:
    """Delete a folder of the storage with all that is in it, if it is there. Raises OSError."""
    folders, files = listed(name)
    # A kept folder without its sums is not there any more, should this break off.
    for file in sorted(files, key=lambda file: file != SUMS):
        default_storage.delete(f"{name}/{file}")
    for folder in folders:
        folder_delete(f"{name}/{folder}")
    default_storage.delete(name)


def listed(name: str) -> tuple[list[str], list[str]]:
    """The folders and files in a folder of the storage, none where it is not there."""
    try:
        folders, files = default_storage.listdir(name)
    except FileNotFoundError:
        return [], []
    return sorted(folders), sorted(file for file in files if file)


def cache_sweep() -> int:
    """Drop what the storage no longer has from this machine's cache. Returns how many entries.

    Each machine has a cache of its own, so each must be told to do this.
    """
    gone = [path for path in _entries() if not _is_stored(path)]
    root = _cache()
    for path in [*gone, *_broken_off(root)]:
        _remove(path)
    return len(gone)


def _cache() -> Path:
    return Path(settings.MOSAIC_HOME) / "cache"


def _entries() -> list[Path]:
    """What is in the cache, the one first that was not used for longest."""
    found = [path for path in _cache().glob("*") if not path.name.endswith(_ARRIVING)]
    return sorted(found, key=_used_at)


def _used_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _broken_off(root: Path) -> list[Path]:
    before = time.time() - _STALE_SECONDS
    return [path for path in root.glob(f"*{_ARRIVING}") if _used_at(path) < before]


def _is_stored(entry: Path) -> bool:
    name = unquote(entry.name)
    return default_storage.exists(f"{name}/{SUMS}" if entry.is_dir() else name)


def _cached(name: str, fetch: Callable[[str, Path], None]) -> Path:
    entry = _cache() / quote(name, safe="")
    if not entry.exists():
        with _arriving(entry) as arriving:
            fetch(name, arriving)
        _make_room()
    os.utime(entry)
    return entry


@contextmanager
def _arriving(target: Path) -> Iterator[Path]:
    """A path that becomes `target` at the end, unless somebody else was quicker with the same."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    arriving = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}{_ARRIVING}")
    try:
        yield arriving
        try:
            arriving.rename(target)
        except OSError:
            if not target.exists():
                raise
    finally:
        _remove(arriving)


def _make_room() -> None:
    """Keep the cache below its bound: what was not used for longest goes first."""
    sizes = {path: sum(file.stat().st_size for file in _files(path)) for path in _entries()}
    total, before = sum(sizes.values()), time.time() - _IN_USE_SECONDS
    for path, size in sizes.items():
        if total <= settings.MOSAIC_CACHE_BYTES or _used_at(path) > before:
            return
        _remove(path)
        total -= size


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _fetch_folder(name: str, to: Path) -> None:
    sums = to / SUMS
    to.mkdir()
    _fetch_file(f"{name}/{SUMS}", sums, "")
    if hashlib.sha256(sums.read_bytes()).hexdigest() != name.rpartition("/")[2]:
        raise FileDamaged(f"{name}/{SUMS} is not what was stored.")
    for line in sums.read_text(encoding="utf-8").splitlines():
        sha256, _, relative = line.partition("  ")
        path = to / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch_file(f"{name}/{relative}", path, sha256)


def _fetch_file(name: str, to: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    with default_storage.open(name) as stored, to.open("wb") as local:
        for chunk in stored.chunks(_CHUNK_BYTES):
            digest.update(chunk)
            local.write(chunk)
    if sha256 and digest.hexdigest() != sha256:
        raise FileDamaged(f"{name} is not what was stored: its SHA-256 is another.")


def _keep_locally(folder: Path, sums: str, target: Path) -> None:
    if target.exists():
        return
    with _arriving(target) as arriving:
        shutil.copytree(folder, arriving)
        (arriving / SUMS).write_text(sums, encoding="utf-8")


def _put(name: str, content: File[bytes]) -> None:
    """Whole or not at all, over what is there: object storages do that, folders do not."""
    stored = default_storage.save(name, content)
    if stored != name:  # the storage keeps what was there, which is the same
        default_storage.delete(stored)


def _files(folder: Path) -> list[Path]:
    """Every file of a folder or the file itself, in order; not the sums, which tell of them."""
    found = folder.rglob("*") if folder.is_dir() else [folder]
    return sorted(path for path in found if path.is_file() and path.name != SUMS)


def _sums(folder: Path) -> str:
    """One line a file: its SHA-256, two spaces and its path in the folder."""
    lines = []
    for path in _files(folder):
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)
