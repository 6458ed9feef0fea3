"""What the site has written down: the ledger, and the mails that could not be delivered."""

from collections.abc import Iterator

from django.utils import timezone

from mosaic_site.health.registry import Finding, error, ok, warning
from mosaic_site.ledger.chain import end_holds, verify
from mosaic_site.notices.models import Notice

BROKEN = (
    "Somebody changed or removed what was recorded, or an old backup was mixed with newer data.",
    "Keep a copy of the database as it is now, find out who had access, and restore the backup "
    "from before. `manage.py verify_ledger` names the first entry that does not hold.",
)


def ledger_end() -> Iterator[Finding]:
    """The newest entries only, so that it is quick."""
    if end_holds():
        yield ok("The newest entries of the ledger hold.")
    else:
        yield error("The end of the ledger does not hold.", *BROKEN)


def ledger_chain() -> Iterator[Finding]:
    verdict = verify()
    if verdict.broken is None:
        yield ok(f"The whole ledger holds: {verdict.entries} entries.")
    else:
        yield error(
            f"Entry {verdict.broken} of the ledger does not hold: {verdict.problem}.", *BROKEN
        )


def deliveries() -> Iterator[Finding]:
    """Notices whose mail was tried in vain."""
    failed = Notice.objects.undelivered(timezone.now())
    count = failed.count()
    if not count:
        yield ok("No mail waits for a second try.")
        return
    yield warning(
        f"{count} mails could not be delivered; they are tried again for 5 days.",
        "Their readers find the notices in their inbox on the site only.",
        "Read the log of the worker of the queue default for what the mail server says.",
    )
