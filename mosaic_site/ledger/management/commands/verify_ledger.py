from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mosaic_site.ledger.chain import verify


class Command(BaseCommand):
    help = "Prove the ledger's hash chain. Exits with 1 where an entry was changed or removed."

    def handle(self, *args: Any, **options: Any) -> None:
        verdict = verify()
        if verdict.broken is not None:
            raise CommandError(f"Entry {verdict.broken} does not hold: {verdict.problem}.")
        self.stdout.write(f"{verdict.entries} entries, chain intact, head {verdict.head}")
