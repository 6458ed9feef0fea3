"""A backup, put into an empty database and an empty bucket, is the site as it was."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from mosaic_site.bench.postgresql import SOCKET, postgresql
from tests.architecture.source import ROOT
from tests.servers import Bucket, object_server

pytestmark = pytest.mark.slow

# Not by importing it: that warns where the system sets no XDG_RUNTIME_DIR.
_pgserver = find_spec("pgserver")
assert _pgserver is not None and _pgserver.origin is not None
BINARIES = Path(_pgserver.origin).parent / "pginstall" / "bin"


class Site:
    """A site of a database and a bucket, of which only commands are run."""

    def __init__(self, socket: str, storage: str, home: Path) -> None:
        self.home = home
        self.database = f"host={socket} user=postgres dbname=postgres"
        self.env = os.environ | Bucket.key | {
            "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.production",
            "DATABASE_URL": f"postgres:///{socket}/postgres",
            "PGUSER": "postgres",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "MOSAIC_STORAGE": storage,
            "MOSAIC_HOME": str(home),
            "MOSAIC_URL": "https://mosaic.example",
            "SECRET_KEY": "only for this test, which nobody ever signs in to",
            "ALLOWED_HOSTS": "mosaic.example",
        }  # fmt: skip

    def manage(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
        )

    def said(self, *words: str) -> str:
        done = self.manage(*words)
        assert done.returncode == 0, done
        return done.stdout


def pg(program: str, *words: str, **options: Any) -> None:
    subprocess.run([BINARIES / program, *words], check=True, **options)


FILL = """
from tests.factories import make_dataset, make_user
owner = make_user("ada")
make_dataset(owner, name="Bikes")
make_dataset(owner, name="Books")
"""
MOVE_THE_BASE = """
from contributions.models import Base
Base.objects.update(source="/nowhere")
"""


def test_database_and_bucket_come_back(tmp_path: Path) -> None:
    dump = tmp_path / "mosaic.dump"
    with postgresql() as there, object_server() as storage:
        before = Site(there[SOCKET], storage, tmp_path / "before")
        before.said("migrate", "--no-input")
        before.said("register_base")
        before.said("shell", "--no-imports", "--command", FILL)
        ledger = before.said("verify_ledger")
        assert "chain intact" in ledger
        pg("pg_dump", "--format=custom", f"--file={dump}", before.database)
        bucket = Bucket(storage)
        kept = {name: bucket.get(name) for name in bucket.names()}
        assert len(kept) == 6  # of each dataset the upload, the rows and the index
        shutil.rmtree(before.home, ignore_errors=True)

    with postgresql() as there, object_server() as storage:
        after = Site(there[SOCKET], storage, tmp_path / "after")
        pg("pg_restore", "--no-owner", f"--dbname={after.database}", str(dump))
        bucket = Bucket(storage)
        for name, content in kept.items():
            bucket.put(name, content)

        assert after.said("verify_ledger") == ledger
        after.said("migrate", "--check")
        assert "Every file" in after.said("check_files", "--thorough")
        assert "Every registered base" in after.said("check_bases")

        lost, altered = sorted(name for name in kept if name.endswith(".upload"))
        bucket.delete(lost)
        bucket.put(altered, b"something else")
        found = after.manage("check_files", "--thorough")
        assert found.returncode == 1
        assert f"{lost} is not in the storage." in found.stderr
        assert f"{altered} is not what it was" in found.stderr
        after.said("shell", "--no-imports", "--command", MOVE_THE_BASE)
        amiss = after.manage("check_bases")
        assert amiss.returncode == 1
        assert "/nowhere is neither a folder on this machine nor the id of a model" in amiss.stderr
