"""Races of uploads, on the database where several write at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic_site.bench.postgresql import postgresql


@pytest.mark.slow
def test_uploads_hold_on_postgresql_too() -> None:
    tests = Path(__file__).with_name("test_uploads.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    with postgresql() as there:
        ran = subprocess.run(
            [*command, "--ds=tests.on_postgresql", str(tests)],
            env=os.environ | there,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout
