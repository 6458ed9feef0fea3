"""A real S3 server, and storages that lie on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from mosaic_site.settings.storage import storage
from tests.servers import Bucket, object_server


@pytest.fixture(scope="session")
def object_storage() -> Iterator[str]:
    """The address of a bucket on a server of its own."""
    with object_server() as address:
        yield address


@pytest.fixture
def bucket(
    object_storage: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Bucket:
    """The site's files lie in an empty bucket, and this machine has a home of its own."""
    found = Bucket(object_storage)
    found.clear()
    for name, value in found.key.items():
        monkeypatch.setenv(name, value)
    settings.STORAGES = settings.STORAGES | {"default": storage(object_storage)}
    settings.MOSAIC_HOME = tmp_path / "machine"
    return found
