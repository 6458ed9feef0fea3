"""A PostgreSQL server of one's own, without a system package; for the bench and for tests."""

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

SOCKET = "MOSAIC_POSTGRESQL_SOCKET"


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """Runs it on an empty folder while the block lasts; yields the environment that leads to it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at import, where the system sets no XDG_RUNTIME_DIR
        from pgserver.postgres_server import get_server

    logging.getLogger("pgserver").setLevel(logging.WARNING)
    folder = tempfile.mkdtemp(prefix="mosaic-postgresql-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield {SOCKET: str(server.get_postmaster_info().socket_dir)}
    finally:
        server.cleanup()


def database() -> dict[str, object]:
    """For `DATABASES`, in a process with that environment."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": os.environ[SOCKET],
    }
