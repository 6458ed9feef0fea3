"""A backup, put into an empty database and an empty bucket, is the site as it was."""

import os
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

    def run(self, program: str) -> "subprocess.CompletedProcess[str]":
        """A program inside the site; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "--command", program],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done
        return done


def pg(program: str, *words: str, **options: Any) -> None:
    subprocess.run([BINARIES / program, *words], check=True, **options)


FILL = """
from django.core.management import call_command
from tests.factories import make_dataset, make_user
call_command("migrate", verbosity=0)
call_command("register_base", verbosity=0)
owner = make_user("ada")
make_dataset(owner, name="Bikes")
make_dataset(owner, name="Books")
call_command("verify_ledger")
"""
CHECK = """
from django.core.management import call_command
call_command("migrate", "--check", verbosity=0)
call_command("verify_ledger")
call_command("check_files", "--thorough")
call_command("check_bases")
"""
CHECK_WHAT_IS_BROKEN = """
from django.core.management import CommandError, call_command
from contributions.models import Base
Base.objects.update(source="/nowhere")
for words in (["check_files", "--thorough"], ["check_bases"]):
    try:
        call_command(*words)
    except CommandError as error:
        print(error)
"""


def test_database_and_bucket_come_back(tmp_path: Path) -> None:
    dump = tmp_path / "mosaic.dump"
    with postgresql() as there, object_server() as storage:
        before = Site(there[SOCKET], storage, tmp_path / "before")
        ledger = before.run(FILL).stdout
        assert "chain intact" in ledger
        pg("pg_dump", "--format=custom", f"--file={dump}", before.database)
        bucket = Bucket(storage)
        kept = {name: bucket.get(name) for name in bucket.names()}
        assert len(kept) == 6  # of each dataset the upload, the rows and the index

    with postgresql() as there, object_server() as storage:
        after = Site(there[SOCKET], storage, tmp_path / "after")
        pg("pg_restore", "--no-owner", f"--dbname={after.database}", str(dump))
        bucket = Bucket(storage)
        for name, content in kept.items():
            bucket.put(name, content)

        said = after.run(CHECK).stdout
        assert said.startswith(ledger)
        assert "Every file" in said and "Every registered base" in said

        lost, altered = sorted(name for name in kept if name.endswith(".upload"))
        bucket.delete(lost)
        bucket.put(altered, b"something else")
        found = after.run(CHECK_WHAT_IS_BROKEN)
        assert f"{lost} is not in the storage." in found.stderr
        assert f"{altered} is not what it was" in found.stderr
        assert "/nowhere is neither a folder on this machine nor the id of a model" in found.stderr
        assert "2 files are amiss." in found.stdout
