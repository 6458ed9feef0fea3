from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from training_workers.stored import files_amiss


class Command(BaseCommand):
    help = "Look for every file that a row names. Exits with 1 where the storage lacks one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--thorough", action="store_true", help="read all, compare the hashes")

    def handle(self, *args: Any, thorough: bool, **options: Any) -> None:
        problems = files_amiss(thorough=thorough)
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"{len(problems)} files are amiss.")
        self.stdout.write("Every file that a row names is in the storage.")
