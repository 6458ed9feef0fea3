"""`bin/setup` on machines that lack something: one clear sentence, never a traceback."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic_site.supervisor.stack import REPOSITORY

TOOLS = ("sh", "dirname", "cksum", "cat", "rm", "tee", "sed", "tail", "grep")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The setup script, a lock of one package, and a PATH of its own without Python."""
    (tmp_path / "bin").mkdir()
    shutil.copy(REPOSITORY / "bin" / "setup", tmp_path / "bin")
    (tmp_path / "requirements.lock").write_text("mosaic-needs-this==1.0\n")
    (tmp_path / "path").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "path" / tool).symlink_to(found)
    return tmp_path


def setup(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(checkout / "bin" / "setup")],
        env={"PATH": str(checkout / "path"), "HOME": str(checkout), **environment},
        capture_output=True,
        text=True,
    )


def test_without_python_it_says_what_to_install(checkout: Path) -> None:
    done = setup(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("Mosaic needs Python 3.11: install it ")
    assert done.stderr.count("\n") == 1


def test_without_a_network_it_says_so_and_names_the_log(checkout: Path) -> None:
    done = setup(
        checkout,
        PYTHON=os.path.realpath(sys.executable),
        PIP_CONFIG_FILE=os.devnull,
        PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_RETRIES="1",
    )
    assert done.returncode == 1
    assert "no package index answered" in done.stderr
    assert ".venv/setup.log" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (checkout / ".venv" / "setup-done").exists()


def test_the_second_time_there_is_nothing_to_do(checkout: Path) -> None:
    (checkout / "requirements.lock").write_text("# nothing is needed\n")
    python = os.path.realpath(sys.executable)
    first, second = setup(checkout, PYTHON=python), setup(checkout)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "Installing" in first.stdout
    assert second.stdout == ""
    (checkout / "requirements.lock").write_text("# something else is needed\n")
    assert "Installing" in setup(checkout).stdout
