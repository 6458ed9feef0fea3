from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training_workers.stored import bases_amiss


class Command(BaseCommand):
    help = "See that this machine has every registered base, and fetch those of the Hub."

    def handle(self, *args: Any, **options: Any) -> None:
        problems = bases_amiss()
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(
                "Jobs and answers on these bases fail on this machine. Put the same folder at the "
                "same path, or register the base by its Hub id."
            )
        self.stdout.write("Every registered base is here.")
