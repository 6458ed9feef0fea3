"""What the database holds, on the database that a real site runs on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic_site.bench.postgresql import postgresql

HERE = Path(__file__).parent


@pytest.mark.slow
def test_the_ballot_box_holds_on_postgresql_too() -> None:
    files = [
        str(HERE / name) for name in ("test_ballot_box.py", "test_batches.py", "test_voting.py")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    with postgresql() as there:
        ran = subprocess.run(
            [*command, "--ds=tests.on_postgresql", *files],
            env=os.environ | there,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout
