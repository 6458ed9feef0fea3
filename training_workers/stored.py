"""Whether what the rows name is there: files in the storage, bases on this machine. No torch."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.storage import default_storage

from contributions.models import Base, DatasetVersion, Expert, Upload, UploadPart
from mosaic_site.files import SUMS
from training_workers.engine.base_facts import BaseError, describe_base
from training_workers.models import Release

_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class Named:
    """A file that a row names; `sha256` where the row knows it."""

    by: str
    name: str
    sha256: str = ""


def bases_amiss() -> list[str]:
    """Why a registered base cannot be used on this machine, one sentence each.

    Those on the Hub are fetched, if they are not here yet.
    """
    return [problem for base in Base.objects.all() if (problem := _amiss(base))]


def _amiss(base: Base) -> str:
    try:
        facts = describe_base(base.source, base.revision)
    except BaseError as error:
        return f"{base.name}: {error}"
    if facts.sha256 != base.sha256:
        return (
            f"{base.name}: what lies in {base.source} on this machine is not what was registered "
            f"(SHA-256 {facts.sha256[:12]}, and not {base.sha256[:12]})."
        )
    return ""


def files_amiss(*, thorough: bool = False) -> list[str]:
    """Each file that a row names and that the storage does not have, one sentence each.

    `thorough` reads all of them and compares the hashes, of what has any. Raises OSError.
    """
    return [problem for one in _named() for problem in _problems(one, thorough)]


def _named() -> Iterator[Named]:
    for version in DatasetVersion.objects.select_related("dataset").order_by("pk").iterator():
        for file, sha256 in (
            (version.file, version.sha256),
            (version.rows_file, ""),
            (version.index_file, ""),
        ):
            if file.name:
                yield Named(str(version), file.name, sha256)
    for part in UploadPart.objects.filter(upload__status=Upload.Status.OPEN).iterator():
        yield Named(str(part), part.stored, part.sha256)
    for expert in Expert.objects.order_by("pk").iterator():
        for brought in (expert.brought_file, expert.profile_file):
            if brought.name:
                yield Named(f"the expert {expert}", brought.name)
        if expert.adapter_folder:
            yield _sums(f"the expert {expert}", expert.adapter_folder)
    for release in Release.objects.exclude(strategy_folder="").order_by("pk").iterator():
        yield _sums(str(release), release.strategy_folder)


def _sums(by: str, folder: str) -> Named:
    """The list of a kept folder's files, whose own hash is the folder's name."""
    return Named(by, f"{folder}/{SUMS}", folder.rpartition("/")[2])


def _problems(named: Named, thorough: bool) -> Iterator[str]:
    if not default_storage.exists(named.name):
        yield f"{named.by}: {named.name} is not in the storage."
    elif thorough and named.sha256:
        if _sha256(named.name) != named.sha256:
            yield f"{named.by}: {named.name} is not what it was, by its SHA-256."
        elif named.name.endswith(f"/{SUMS}"):
            for one in _listed(named):
                yield from _problems(one, thorough)


def _listed(sums: Named) -> Iterator[Named]:
    folder = sums.name.removesuffix(SUMS)
    with default_storage.open(sums.name) as stored:
        lines = stored.read().decode().splitlines()
    for line in lines:
        sha256, _, relative = line.partition("  ")
        yield Named(sums.by, folder + relative, sha256)


def _sha256(name: str) -> str:
    digest = hashlib.sha256()
    with default_storage.open(name) as stored:
        for chunk in stored.chunks(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
