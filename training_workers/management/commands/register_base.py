from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from contributions.actions import base_register
from mosaic_site.errors import Refused
from training_workers.engine.base_facts import POCKET, BaseError, describe_base


class Command(BaseCommand):
    help = "Register a base model (a folder or a Hub id) and make it the community's active one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "source", nargs="?", default=str(POCKET), help="Folder or Hub id; default: pocket"
        )
        parser.add_argument("--revision", default="", help="Branch, tag or commit on the Hub")
        parser.add_argument("--name", default="", help="What to call it; default: the source")
        parser.add_argument("--licence", default="", help="SPDX id, where the card has none")
        parser.add_argument("--inactive", action="store_true", help="Register, do not activate")

    def handle(self, *args: Any, **options: Any) -> None:
        source = options["source"]
        if Path(source).is_dir():
            # Wherever a worker is started: on every machine the same path.
            source = str(Path(source).resolve())
        try:
            facts = describe_base(source, options["revision"])
            base = base_register(
                name=options["name"] or source.rstrip("/").rsplit("/", 1)[-1],
                source=source,
                revision=options["revision"],
                sha256=facts.sha256,
                parameters=facts.parameters,
                context_length=facts.context_length,
                licence=options["licence"] or facts.licence,
                activate=not options["inactive"],
            )
        except (BaseError, Refused) as error:
            raise CommandError(str(error)) from error
        if not options["verbosity"]:
            return
        self.stdout.write(
            f"{base.name}: {base.parameters:,} parameters, context {base.context_length} tokens, "
            f"licence {base.licence or 'not stated'}, sha256 {base.sha256[:12]}"
            + (", active" if base.active else "")
        )
