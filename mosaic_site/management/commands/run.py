"""`manage.py run`: the whole site on this machine, until Ctrl-C."""

import os
import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mosaic_site.supervisor import Stack, StackError
from mosaic_site.supervisor.machine import gpu_workers

SIGNALS_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    help = "Runs the whole site on this machine: Redis, web, workers, beat and model serving."
    requires_system_checks = ()  # the services check themselves, and this saves a second

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port",
            type=int,
            default=os.environ.get("MOSAIC_PORT", "8000"),
            help="port on 127.0.0.1 (default: MOSAIC_PORT, else 8000)",
        )
        parser.add_argument(
            "--gpu-workers",
            type=int,
            default=os.environ.get("MOSAIC_GPU_WORKERS") or gpu_workers(),
            help="how many workers train and compose (default: MOSAIC_GPU_WORKERS, else one a "
            "GPU, or a group of MOSAIC_GPUS_A_WORKER, else 1)",
        )

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        for number in SIGNALS_TO_STOP:
            signal.signal(number, _interrupt)
        stack = Stack(
            Path(settings.MOSAIC_HOME),
            port=port,
            gpu_workers=options["gpu_workers"],
            env={"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]},
            say=self._say,
        )
        self._say("Mosaic is starting ...")
        try:
            stack.start_pages()
            sign_ins = ""
            if settings.MOSAIC_DEMO:
                self._say(f"Pages are answered at {stack.url}; the demo community moves in ...")
                # Before the workers, which would take the processor from it while they load.
                sign_ins = stack.manage("seed_demo")
            stack.start_workers()
            self._say(f"Mosaic runs at {stack.url}\n{sign_ins}Stop it with Ctrl-C.")
            threading.Event().wait()
        except StackError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("Mosaic is stopping ...")
        finally:
            for number in SIGNALS_TO_STOP:
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave orphans
            stack.stop()
        self._say("Mosaic has stopped.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
