"""Files on S3 and whatever speaks its protocol, failing as files on a disk fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage


@contextmanager
def _as_os_error() -> Iterator[None]:
    """Whoever reads or writes files is prepared for OSError."""
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise OSError(f"The object storage failed: {error}") from error


class ObjectStorage(S3Storage):
    """django-storages' backend; raises FileNotFoundError or OSError, and nothing of boto's."""

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        with _as_os_error():
            file: File[bytes] = super()._open(name, mode)
            # Fetched now, where a failure is met, and not at the first read.
            return file.open() if "r" in mode else file

    def _save(self, name: str, content: Any) -> str:
        with _as_os_error():
            saved: str = super()._save(name, content)
            return saved

    def delete(self, name: str) -> None:
        with _as_os_error():
            super().delete(name)

    def exists(self, name: str) -> bool:
        with _as_os_error():
            return bool(super().exists(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with _as_os_error():
            folders, files = super().listdir(path)
            return folders, files

    def size(self, name: str) -> int:
        with _as_os_error():
            return int(super().size(name))
