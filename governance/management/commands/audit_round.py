import json
import zipfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from governance import audit
from governance.models import Round


class Command(BaseCommand):
    help = (
        "Proves a round: chain intact, every live ballot opened and counted once, electorate not "
        "exceeded, both counts equal, and an earlier export a prefix of today's."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("round", type=int, help="the number in the round's address")
        parser.add_argument(
            "--earlier",
            type=Path,
            help="a chain.jsonl, or a zip of the round, that somebody took away before",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        round_ = Round.objects.filter(pk=options["round"]).first()
        if round_ is None:
            raise CommandError(f"There is no round {options['round']}.")
        earlier = _lines(options["earlier"]) if options["earlier"] else None
        try:
            for statement in audit.prove(round_, earlier):
                self.stdout.write(self.style.SUCCESS("holds ") + statement)
        except audit.Broken as broken:
            raise CommandError(f"This does not hold: {broken}") from broken


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                name = next(one for one in packed.namelist() if one.endswith("/chain.jsonl"))
                text = packed.read(name).decode()
        else:
            text = path.read_text("utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, StopIteration, ValueError) as error:
        raise CommandError(f"{path} is no chain.jsonl and no zip with one: {error}") from error
