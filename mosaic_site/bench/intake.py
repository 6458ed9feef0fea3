"""`intake`: checking a large file, against the parser alone. MOSAIC_BENCH_BYTES sets the size."""

import csv
import json
import os
import random
import resource
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pyarrow.csv

from mosaic_site.bench.measurement import Measurement, NotMeasured

SEED, SIZE = 5, 10**9
MIB, MOST_MIB, SHARE = 2**20, 400, 1 / 3
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
ROOT = Path(__file__).parents[2]
SMALL = "small.jsonl"


def _rows() -> Iterator[tuple[str, str]]:
    """Endless rows of 100 to 1,000 characters in words of 2 to 10 letters, and some numbers. Of a
    hundred rows one is the same as an earlier one, and one nearly the same."""
    draws = random.Random(SEED)
    letters = string.ascii_lowercase
    words = ["".join(draws.choices(letters, k=draws.randint(2, 10))) for _ in range(20_000)]
    words += [str(draws.randint(1, 2_000)) for _ in range(200)]
    earlier = ("what is this?", "a beginning")
    while True:
        for _ in range(98):
            prompt = " ".join(draws.choices(words, k=draws.randint(12, 90)))
            row = (f"{prompt}?", " ".join(draws.choices(words, k=draws.randint(5, 60))) + ".")
            yield row
        yield earlier
        yield earlier[0].capitalize(), f"{earlier[1]} {draws.choice(words)}"
        earlier = row


def _write(folder: Path, size: int) -> tuple[Path, Path]:
    jsonl, table = folder / "rows.jsonl", folder / "rows.csv"
    with jsonl.open("wb") as lines, table.open("w", newline="", encoding="utf-8") as cells:
        writer = csv.writer(cells)
        writer.writerow(("prompt", "completion"))
        for prompt, completion in _rows():
            row = {"prompt": prompt, "completion": completion}
            lines.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            writer.writerow((prompt, f"{completion[:-1]}, and so on."))
            if lines.tell() >= size:
                return jsonl, table
    raise AssertionError("rows have no end")


def _parse_lines(path: Path) -> None:
    with path.open("rb") as lines:
        for line in lines:
            orjson.loads(line)


def _parse_table(path: Path) -> None:
    for _ in pyarrow.csv.open_csv(path):
        pass


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _checked(path: Path) -> tuple[float, float, int]:
    """(seconds, peak in MiB, rows) of a check in a process of its own, compiled code at hand."""
    found = subprocess.run(
        [sys.executable, "-m", "mosaic_site.bench.intake", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode:
        raise NotMeasured(f"The check ended with: {found.stderr[-300:]}")
    seconds, peak, rows = json.loads(found.stdout)
    return seconds, peak, rows


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    size = int(os.environ.get("MOSAIC_BENCH_BYTES", SIZE))
    measured = []
    with tempfile.TemporaryDirectory(prefix="mosaic-bench-") as folder:
        say(f"writing {size / 1e6:,.0f} MB of each")
        jsonl, table = _write(Path(folder), size)
        _checked(_small(jsonl))  # so that the compiled code is stored
        for path, parse, other in (
            (jsonl, _parse_lines, "orjson alone, line by line"),
            (table, _parse_table, "pyarrow's streaming CSV reader alone"),
        ):
            say(f"{path.name}: {other}, then the check, then the first again")
            before = _seconds(lambda parse=parse, path=path: parse(path))  # type: ignore[misc]
            seconds, peak, rows = _checked(path)
            after = _seconds(lambda parse=parse, path=path: parse(path))  # type: ignore[misc]
            base = (before + after) / 2
            kind = path.suffix[1:]
            how = f"{path.stat().st_size / 1e6:,.0f} MB, {rows:,} rows kept, seed {SEED}, once."
            measured += [
                Measurement(
                    f"intake.{kind}", path.stat().st_size / 1e6 / seconds, "MB/s", other,
                    path.stat().st_size / 1e6 / base,
                    f"{how} Near-duplicates, personal data and the rows written included.",
                    "at least a third of it", base / seconds >= SHARE,
                ),
                Measurement(
                    f"intake.{kind}.memory", peak, "MiB", "the limit", MOST_MIB,
                    f"{how} Peak of the process.", f"under {MOST_MIB} MiB", peak < MOST_MIB,
                ),
            ]  # fmt: skip
    return measured


def _small(path: Path) -> Path:
    small = path.with_name(SMALL)
    with path.open("rb") as lines:
        small.write_bytes(b"".join(line for line, _ in zip(lines, range(1_000), strict=False)))
    return small


def _main(path: Path) -> None:
    """Check one file and print what it took."""
    from contributions.intake import check  # here, so that the parsers' process does not load it

    check(path.with_name(SMALL), rows_out=None)  # loads the compiled code
    began = time.perf_counter()
    report = check(path, rows_out=path.with_suffix(".out"))
    seconds = time.perf_counter() - began
    path.with_suffix(".out").unlink()
    if not report.ok:
        raise SystemExit(str(report.findings[:1]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / MIB
    print(json.dumps([seconds, peak, report.rows]))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
