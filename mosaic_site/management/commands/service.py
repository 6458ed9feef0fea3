"""`manage.py service NAME`: one service of the site, as containers and init systems start it."""

import http.client
import os
import re
import socket
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mosaic_site.supervisor.services import ALL, service

# Redis is a server of its own wherever services are started one by one.
NAMES = tuple(name for name in ALL if name != "redis")
SECONDS = 5.0


class Command(BaseCommand):
    help = "Becomes one service of the site, by the same command line that `run` starts it with."
    requires_system_checks = ()  # the service checks itself

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", type=_name, help=f"{', '.join(NAMES)}, or worker-gpu-2 and on")
        parser.add_argument("--host", default="127.0.0.1", help="where the web process listens")
        parser.add_argument("--port", type=int, default=os.environ.get("MOSAIC_PORT", "8000"))
        parser.add_argument(
            "--check",
            action="store_true",
            help="only ask the web process or a worker on this machine whether it answers",
        )

    def handle(
        self, *args: Any, name: str, host: str, port: int, check: bool, **options: Any
    ) -> None:
        if check:
            if not _answers(name, port):
                raise CommandError(f"{name} does not answer.")
            return
        home = Path(settings.MOSAIC_HOME)
        (home / "run").mkdir(parents=True, exist_ok=True)
        becomes = service(name, home, port, host)
        os.execvpe(becomes.command[0], becomes.command, os.environ | dict(becomes.env))


def _name(said: str) -> str:
    if said in NAMES or re.fullmatch(r"worker-gpu-\d+", said):
        return said
    raise ArgumentTypeError(f"there is no service {said}")


def _answers(name: str, port: int) -> bool:
    if name == "web":
        return _web_answers(port)
    if name.startswith("worker"):
        worker = f"{name}@{socket.gethostname()}"
        return bool(current_app.control.ping(destination=[worker], timeout=SECONDS))
    raise CommandError(f"{name} cannot be asked; it says itself in the rows or in Redis.")


def _web_answers(port: int) -> bool:
    """As the proxy would ask it: under the site's name, and over HTTPS."""
    headers = {"Host": urlsplit(settings.MOSAIC_URL).netloc, "X-Forwarded-Proto": "https"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz", headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
