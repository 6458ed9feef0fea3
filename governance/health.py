"""Whether rounds move on in time, and whether the two counts agree."""

from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from governance.models import Decision, Round
from mosaic_site.health import Finding, error, ok

LATE = timedelta(minutes=2)


def rounds() -> Iterator[Finding]:
    late = list(Round.objects.overdue(timezone.now() - LATE))
    for round_ in late:
        yield error(
            f"The round “{round_}” is {round_.get_status_display()} still, past its time.",
            "It opens, closes or is counted later than was promised. No ballot is lost: what comes "
            "after the close is refused.",
            "See that beat and a worker of the queue default run, and read that worker's log.",
        )
    if not late:
        yield ok("Every round stands where its times say.")


def counts() -> Iterator[Finding]:
    differing = [
        decision.round
        for decision in Decision.objects.provisional().select_related("round")
        if not decision.both_agree
    ]
    for round_ in differing:
        yield error(
            f"The two counts of the round “{round_}” differ.",
            "It cannot be ratified before somebody knows which of them is wrong.",
            f"Run `manage.py audit_round {round_.pk}`.",
        )
    if not differing:
        yield ok("Both counts of every provisional result agree.")
