"""A rehearsal on real questions of real people, where the data is on hand; no scores asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic_site.supervisor.stack import REPOSITORY

pytestmark = pytest.mark.slow

NAMES = ("kitchen_and_dining", "small_talk")
COLUMNS = {"n", "base", "own", "best_single", "monolith", "mosaic"}


def clinc150() -> Path:
    """The folder of CLINC150 by domain: named by MOSAIC_DATA, or beside the repository."""
    shared = Path(os.environ.get("MOSAIC_DATA", REPOSITORY.parent / "shared" / "data"))
    folder = shared / "clinc150"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: set MOSAIC_DATA to a folder that holds clinc150/")
    return folder


def thin(source: Path, target: Path) -> None:
    """Copy a sixth of a file's rows, and a table's header."""
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    header = 1 if source.suffix == ".csv" else 0
    target.write_text("".join(lines[:header] + lines[header::6]), encoding="utf-8")


def test_the_loop_closes_on_real_data(tmp_path: Path) -> None:
    source, data, out = clinc150(), tmp_path / "data", tmp_path / "report.json"
    data.mkdir()
    for name in NAMES:
        for file in source.glob(f"{name}.*"):
            thin(file, data / file.name)
    options = ["--data", data, "--json", out, "--minutes", "0.25"]
    done = subprocess.run(
        [sys.executable, "manage.py", "rehearse", *map(str, options)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(out.read_text())
    assert report["closed"] is True
    assert report["strategy"]
    assert report["tokens"] > 0
    assert report["sentences"]
    assert set(report["names"]) == set(NAMES)
    for scores in report["names"].values():
        assert set(scores) == COLUMNS
        assert scores["n"] > 0
        assert all(0 <= scores[column] <= 1 for column in COLUMNS - {"n"})
    for intervals in report["intervals"].values():
        assert all(low <= high for low, high in intervals.values())
    assert set(report["mean"]) == COLUMNS - {"n"}
