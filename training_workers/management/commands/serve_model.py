import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, close_old_connections

from training_workers.actions import machine_tidy
from training_workers.serving.process import ServingProcess, connect

logger = logging.getLogger(__name__)

TIDY_EVERY_SECONDS = 3600.0


class Command(BaseCommand):
    help = "Serve the live release: answer the questions that the site hands over through Redis."

    def handle(self, *args: Any, **options: Any) -> None:
        process = ServingProcess(connect())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        # There may be no worker on this machine that would do it.
        threading.Thread(target=_tidy_until, args=[process.stopping], daemon=True).start()
        process.run()


def _tidy_until(stopping: threading.Event) -> None:
    while not stopping.wait(TIDY_EVERY_SECONDS):
        try:
            machine_tidy()
        except (DatabaseError, InterfaceError, OSError):
            logger.exception("this machine could not be tidied, trying again in an hour")
        finally:
            close_old_connections()
