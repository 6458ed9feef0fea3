"""Stored files for code that wants a path."""

import shutil
from pathlib import Path
from uuid import uuid4

from django.db.models.fields.files import FieldFile


def at_hand(stored: FieldFile, scratch: Path) -> Path:
    """The path of a stored file: its own where the storage is a folder, else that of a copy."""
    try:
        path = Path(stored.path)
    except NotImplementedError:
        pass  # what Django's storages raise that have no paths, S3 and its like: the copy is below
    else:
        # Django's storage in memory names paths, too.
        if path.exists():
            return path
    copy = scratch / uuid4().hex
    with stored.open("rb") as source, copy.open("wb") as target:
        shutil.copyfileobj(source, target)
    return copy
