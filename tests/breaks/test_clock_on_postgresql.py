"""The same clocks on a database that has one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic_site.bench.postgresql import postgresql

CLOCKS = Path(__file__).with_name("test_clock.py")


@pytest.mark.slow
def test_clocks_may_jump_beside_postgresql_too() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nomigrations"]
    with postgresql() as there:
        ran = subprocess.run(
            [*command, "--ds=tests.on_postgresql", str(CLOCKS)],
            env=os.environ | there | {"MOSAIC_TEST_REDIS": "redis://127.0.0.1:1/0"},  # not used
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout
