"""`manage.py screenshots`: a picture of every page of the running demo."""

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mosaic_site.demo.story import PASSWORD

# In the documentation: (picture there, page, who, width, theme).
DOCUMENTED = (("home.png", "home", "visitor", 1280, "light"),)


class Command(BaseCommand):
    help = "Saves a picture of every page of the running demo, at three widths, light and dark."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--url", default=settings.MOSAIC_URL, help="where it runs (default: %(default)s)"
        )
        parser.add_argument("--out", type=Path, default=settings.REPOSITORY / "screenshots")
        parser.add_argument(
            "--docs", action="store_true", help="also renew the pictures of the documentation"
        )

    def handle(self, *args: Any, url: str, out: Path, docs: bool, **options: Any) -> None:
        try:  # installed for tests and pictures alone
            from playwright.sync_api import Error

            from mosaic_site.pictures.walk import Walker, take_pictures
        except ImportError as error:
            raise CommandError("This needs playwright: run make setup.") from error
        walkers = [Walker("visitor")]
        walkers += [Walker(name, PASSWORD) for name in ("contributor", "voter", "steward")]
        try:
            seen = take_pictures(url.rstrip("/"), walkers, out, self.stdout.write)
        except Error as error:
            raise CommandError(f"{error.message} Is the demo running? make run") from error
        if docs:
            for picture, page, who, width, theme in DOCUMENTED:
                taken = out / f"{page}.{who}.{width}.{theme}.png"
                shutil.copyfile(taken, settings.REPOSITORY / "docs" / "images" / picture)
        broken = [one for one in seen if one.problems]
        kinds = len({one.name for one in seen})
        self.stdout.write(f"{kinds} kinds of pages in {out}; {len(broken)} with a problem.")
