"""Files and folders that machines share, on a folder and on a real S3 server."""

import hashlib
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from mosaic_site import files
from mosaic_site.settings.storage import storage
from tests.servers import Bucket, object_server

BELOW = "adapters"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a file, and another one below it."""
    folder = tmp_path / "made"
    (folder / "fallback").mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(256)) * 5000)
    (folder / "fallback" / "strategy.json").write_text("{}")
    return folder


def cache(settings: Settings) -> list[Path]:
    return sorted((settings.MOSAIC_HOME / "cache").glob("*"))


def same(one: Path, other: Path) -> bool:
    paths = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    return all((one / path).read_bytes() == (other / path).read_bytes() for path in paths)


def another_machine(settings: Settings, tmp_path: Path) -> None:
    settings.MOSAIC_HOME = tmp_path / "other"


def test_a_kept_folder_is_used_where_it_lies(
    settings: Settings, tmp_path: Path, made: Path
) -> None:
    settings.MEDIA_ROOT, settings.MOSAIC_HOME = tmp_path / "media", tmp_path

    name = files.folder_keep(made, BELOW)
    at_hand = files.folder_at_hand(name)

    assert at_hand == tmp_path / "media" / name and same(made, at_hand) and not cache(settings)
    checked = subprocess.run(["sha256sum", "--check", "--quiet", files.SUMS], cwd=at_hand)
    assert checked.returncode == 0
    assert name.endswith(hashlib.sha256((at_hand / files.SUMS).read_bytes()).hexdigest())
    assert files.folder_keep(made, BELOW) == name


def test_on_s3_another_machine_fetches_it_once(
    bucket: Bucket, settings: Settings, tmp_path: Path, made: Path
) -> None:
    name = files.folder_keep(made, BELOW)
    assert {f"{name}/weights", f"{name}/fallback/strategy.json"} < set(bucket.names())
    another_machine(settings, tmp_path)

    at_hand = files.folder_at_hand(name)
    for stored in bucket.names():
        bucket.delete(stored)

    assert at_hand != made and same(made, at_hand)
    assert files.folder_at_hand(name) == at_hand


def test_it_has_the_same_name_in_every_storage(
    bucket: Bucket, settings: Settings, made: Path
) -> None:
    there = files.folder_keep(made, BELOW)
    settings.STORAGES = settings.STORAGES | {"default": storage("")}
    assert files.folder_keep(made, BELOW) == there


def test_what_was_altered_in_the_storage_is_not_used(
    bucket: Bucket, settings: Settings, made: Path
) -> None:
    name = files.folder_keep(made, BELOW)
    bucket.put(f"{name}/weights", b"others")
    with pytest.raises(files.FileDamaged, match="weights is not what was stored"):
        files.folder_at_hand(name)

    forged = f"{hashlib.sha256(b'others').hexdigest()}  weights\n"
    bucket.put(f"{name}/{files.SUMS}", forged.encode())
    with pytest.raises(files.FileDamaged, match="SHA256SUMS is not what was stored"):
        files.folder_at_hand(name)
    assert not cache(settings)


def test_a_file_is_compared_with_its_hash(bucket: Bucket, settings: Settings) -> None:
    bucket.put("datasets/one", b"rows")
    sha256 = hashlib.sha256(b"rows").hexdigest()
    assert files.file_at_hand("datasets/one", sha256).read_bytes() == b"rows"

    bucket.put("datasets/two", b"other rows")
    with pytest.raises(files.FileDamaged):
        files.file_at_hand("datasets/two", sha256)
    with pytest.raises(FileNotFoundError):
        files.file_at_hand("datasets/three")


def test_keeping_that_broke_off_is_done_again(bucket: Bucket, made: Path) -> None:
    name = files.folder_keep(made, BELOW)
    bucket.delete(f"{name}/{files.SUMS}")
    bucket.put(f"{name}/weights", b"half")

    with pytest.raises(FileNotFoundError):
        files.folder_at_hand(name)
    assert files.folder_keep(made, BELOW) == name
    assert same(made, files.folder_at_hand(name))


def test_many_may_fetch_at_once(bucket: Bucket, settings: Settings, made: Path) -> None:
    name = files.folder_keep(made, BELOW)
    whole: list[bool] = []

    def fetch() -> None:
        whole.append(same(made, files.folder_at_hand(name)))

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert whole == [True] * 6
    assert len(cache(settings)) == 1


def test_the_cache_keeps_to_its_bound(bucket: Bucket, settings: Settings) -> None:
    settings.MOSAIC_CACHE_BYTES = 250
    for number in range(4):
        bucket.put(f"datasets/{number}", b"x" * 100)
        path = files.file_at_hand(f"datasets/{number}")
        long_ago = time.time() - 10_000 + number
        os.utime(path, (long_ago, long_ago))
    # The last one was fetched when three were there: the two used last and itself stay.
    files.file_at_hand("datasets/2")
    bucket.put("datasets/4", b"x" * 100)
    files.file_at_hand("datasets/4")

    assert [path.name for path in cache(settings)] == ["datasets%2F2", "datasets%2F4"]


def test_what_is_erased_leaves_the_caches_of_all_machines(
    bucket: Bucket, settings: Settings, tmp_path: Path, made: Path
) -> None:
    gone = files.folder_keep(made, BELOW)
    (made / "weights").write_bytes(b"of another")
    stays = files.folder_keep(made, BELOW)
    another_machine(settings, tmp_path)
    bucket.put("datasets/gone", b"rows")
    for name in (gone, stays):
        files.folder_at_hand(name)
    files.file_at_hand("datasets/gone")

    files.folder_delete(gone)
    default_storage.delete("datasets/gone")

    assert not bucket.names(gone)
    assert files.cache_sweep() == 2
    assert [path.name for path in cache(settings)] == [stays.replace("/", "%2F")]
    assert same(made, files.folder_at_hand(stays))


def test_a_storage_that_is_away_is_an_os_error(
    settings: Settings, tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in Bucket.key.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    settings.MOSAIC_HOME = tmp_path / "machine"
    with object_server() as address:
        settings.STORAGES = settings.STORAGES | {"default": storage(address)}
        name = files.folder_keep(made, BELOW)
    for attempt in (
        lambda: files.folder_at_hand(name),
        lambda: files.folder_keep(made, "elsewhere"),
        lambda: default_storage.exists(name),
        lambda: default_storage.delete(name),
        lambda: files.listed(name),
    ):
        with pytest.raises(OSError, match="The object storage failed"):
            attempt()


def test_an_address_that_says_nothing_is_refused() -> None:
    for wrong in ("bucket", "http://bucket/", "s3:///prefix", "s3://bucket?endpont=http://x"):
        with pytest.raises(ValueError, match="MOSAIC_STORAGE"):
            storage(wrong)
