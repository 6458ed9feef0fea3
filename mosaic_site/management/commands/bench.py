"""`manage.py bench`: the numbers that the documentation states, measured on this machine."""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mosaic_site.bench.measurement import Measurement, NotMeasured, table
from mosaic_site.errors import Refused
from mosaic_site.rehearsal.cycle import NotClosed
from mosaic_site.rehearsal.folder import BadFolder
from mosaic_site.supervisor import StackError
from mosaic_site.supervisor.scratch import is_scratch, scratch_environment

MINUTES = "MOSAIC_BENCH_MINUTES"

# In the order in which they run, and how long each may take at most.
SECONDS = {
    "tally": 60,
    "intake": 600,
    "serving": 480,
    "expert": 240,
    "training": 480,
    "composing": 900,
    "voting": 300,
    "pages": 300,
    "upload": 300,
    "start": 600,
    "readers": 600,
    "watchers": 600,
}
# Only where they are named.
LONG = {"mosaic15": 4 * 3600, "soak": 2 * 3600}


class Command(BaseCommand):
    help = (
        "Measure the numbers that the documentation states. Each measurement runs in a process "
        "of its own on a scratch site; the exit status tells whether all could be made."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "names",
            nargs="*",
            metavar="NAME",
            help=f"of {', '.join(SECONDS)}; default: all of them. Or {', '.join(LONG)}, which "
            "takes hours",
        )
        parser.add_argument("--json", type=Path, help="Also write the measurements to this file")
        parser.add_argument(
            "--data",
            type=Path,
            help="For `expert`: a <name>.train.* file, or a folder of them, of which the first "
            "counts; default: rows that the bench makes. For `mosaic15`: a folder that keeps what "
            "is measured, and where it is found again",
        )

        parser.add_argument(
            "--minutes",
            type=float,
            default=float(os.environ.get(MINUTES, "15")),
            help="For `soak`: how long the load lasts (default: 15)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.environ[MINUTES] = str(options["minutes"])  # the measurement's own process reads it
        names: list[str] = options["names"] or list(SECONDS)
        known = SECONDS | LONG
        if unknown := set(names) - known.keys():
            raise CommandError(f"There is no {', '.join(unknown)}; there are {', '.join(known)}.")
        if is_scratch(settings.MOSAIC_HOME):
            measured = [one for name in names for one in self._measure(name, options["data"])]
        else:
            measured = self._measure_all(names, options["data"])
            self.stdout.write("\n" + table(measured))
        if options["json"]:
            found = [one.to_dict() for one in measured]
            options["json"].write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        found_names = {one.name.split(".")[0] for one in measured}
        if missing := [name for name in names if name not in found_names]:
            raise CommandError(f"Not measured: {', '.join(missing)}.")

    def _measure_all(self, names: Sequence[str], data: Path | None) -> list[Measurement]:
        measured = []
        for name in names:
            with tempfile.TemporaryDirectory(
                prefix="mosaic-bench-", ignore_cleanup_errors=True
            ) as home:
                measured += self._in_a_process_of_its_own(name, Path(home), data)
        return measured

    def _in_a_process_of_its_own(
        self, name: str, home: Path, data: Path | None
    ) -> list[Measurement]:
        result = home / "measured.json"
        command = [sys.executable, sys.argv[0], "bench", name, "--json", str(result)]
        if data is not None:
            command += ["--data", str(data)]
        try:
            limit = (SECONDS | LONG)[name]
            subprocess.run(command, env=scratch_environment(home), timeout=limit)
        except subprocess.TimeoutExpired:
            self.stderr.write(f"{name} took longer than {limit} s and was stopped.")
        if not result.exists():
            return []
        return [Measurement.from_dict(one) for one in json.loads(result.read_text("utf-8"))]

    def _measure(self, name: str, data: Path | None) -> list[Measurement]:
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"  {time.monotonic() - began:5.0f} s  {line}")
            self.stdout.flush()

        self.stdout.write(f"{name}:")
        self.stdout.flush()
        try:
            measured = importlib.import_module(f"mosaic_site.bench.{name}").measure(data, say)
        except (NotMeasured, NotClosed, BadFolder, StackError, Refused) as error:
            raise CommandError(f"{name}: {error}") from error
        for one in measured:
            self.stdout.write(one.line())
        return list(measured)
