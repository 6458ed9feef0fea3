"""`manage.py rehearse`: does the loop close on this data, on this machine?"""

import json
import os
import shutil
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mosaic_site.errors import Refused
from mosaic_site.rehearsal import cycle
from mosaic_site.rehearsal.cycle import NotClosed
from mosaic_site.rehearsal.folder import BadFolder, Brought, read_folder
from mosaic_site.rehearsal.report import summary, table
from mosaic_site.supervisor import Stack, StackError
from mosaic_site.supervisor.scratch import is_scratch, scratch_environment
from training_workers.engine.base_facts import BaseError

SERVICES = ("redis", "worker-default", "worker-checks", "worker-gpu", "beat", "serving")
# Share of --minutes that training gets; the rest is for evaluating and waiting.
TRAINING_SHARE = 0.6


class Command(BaseCommand):
    help = (
        "Walk a whole community cycle on a folder of datasets and print the release report. "
        "Works on a scratch site of its own; the exit status tells whether the loop closed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="Folder of <name>.train.*")
        parser.add_argument("--json", type=Path, help="Also write the report to this file")
        parser.add_argument("--minutes", type=float, help="Train no longer than fits into this")
        parser.add_argument("--seed", type=int, default=0, help="Of the splits; default 0")
        parser.add_argument("--base", default="", help="Folder or Hub id; default: pocket")
        parser.add_argument(
            "--workers",
            type=int,
            default=min(2, os.cpu_count() or 1),
            help="Processes that train at once; default: 2, or 1 on one core",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not is_scratch(settings.MOSAIC_HOME):
            self._begin_anew()
        home = Path(settings.MOSAIC_HOME)
        began = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"{time.monotonic() - began:6.0f} s  {line}")
            self.stdout.flush()

        failure = ""
        try:
            report = self._rehearse(home, options, began, say)
        except (NotClosed, BadFolder, StackError, Refused, BaseError) as error:
            failure = str(error)
            report = {"closed": False, "why": failure, "seconds": time.monotonic() - began}
        finally:
            shutil.rmtree(home, ignore_errors=True)
        if options["json"]:
            options["json"].write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        if failure:
            raise CommandError(f"The loop did not close. {failure}")
        self.stdout.write(table(report))

    def _begin_anew(self) -> None:
        """Become the same command on an empty scratch site, so that no running one is touched."""
        home = tempfile.mkdtemp(prefix="mosaic-rehearsal-")
        os.execve(sys.executable, [sys.executable, *sys.argv], scratch_environment(Path(home)))

    def _rehearse(
        self, home: Path, options: dict[str, Any], began: float, say: Callable[[str], None]
    ) -> dict[str, Any]:
        brought = read_folder(options["data"], home, options["seed"])
        stack = Stack(
            home,
            services=SERVICES,
            gpu_workers=options["workers"],
            env={"MOSAIC_DEMO": "0"},
            say=say,
        )
        with stack:
            arguments = [options["base"]] if options["base"] else []
            say(stack.manage("register_base", *arguments).strip())
            release = cycle.run(brought, self._recipe(brought, options), say)
            return summary(release, [each.name for each in brought], time.monotonic() - began)

    def _recipe(self, brought: Sequence[Brought], options: dict[str, Any]) -> dict[str, Any]:
        """The default recipe, or as many tokens as `--minutes` has room for at a measured speed."""
        if not options["minutes"]:
            return {}
        # These two bring torch, which takes seconds.
        from mosaic_site.rehearsal.pace import tokens_per_second
        from training_workers.engine.training import Recipe

        speed = tokens_per_second(brought[0].file, options["base"])
        # The experts share the workers; then three controls take as many tokens each, one after
        # another, the one at the summed rank about twice as long.
        rounds = len(brought) / options["workers"] + 4 * len(brought)
        tokens = int(options["minutes"] * 60 * TRAINING_SHARE * speed / rounds)
        default = Recipe().max_tokens
        return {"max_tokens": min(tokens, default) if default else tokens}
