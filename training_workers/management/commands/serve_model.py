import signal
from typing import Any

from django.core.management.base import BaseCommand

from training_workers.serving.process import ServingProcess, connect


class Command(BaseCommand):
    help = "Serve the live release: answer the questions that the site hands over through Redis."

    def handle(self, *args: Any, **options: Any) -> None:
        process = ServingProcess(connect())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        process.run()
