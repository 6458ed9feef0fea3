from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.http import Http404

from mosaic_site.errors import Refused
from training_workers import access
from training_workers.exporting import release_export


class Command(BaseCommand):
    help = "Write a release as a folder that transformers, peft and vLLM load without this site."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", type=int, help="Of the release")
        parser.add_argument("--out", type=Path, required=True, help="A new or empty folder")
        parser.add_argument(
            "--profiles",
            action="store_true",
            help="With the word counts of the experts' training data that its router goes by; "
            "some of that data may be private",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        number, out = options["number"], options["out"]
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise CommandError(f"{out} is not an empty folder.")
        try:
            export = release_export(access.release_for_anyone(number), profiles=options["profiles"])
        except Http404 as error:
            raise CommandError(f"There is no release {number}.") from error
        except Refused as refusal:
            raise CommandError(str(refusal)) from refusal
        for name, content in export.files():
            file = out / name
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("wb") as target:
                target.writelines(content)
        if options["verbosity"]:
            self.stdout.write(f"{out}: {export.release}, {len(export.experts)} experts")
