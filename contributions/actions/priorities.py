"""Declaring, retiring and merging priorities."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction

from contributions.models import Priority, Probe
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User

# Two for each of fit, select and sealed.
FEWEST_PROBES = 6
MOST_PROBES = 5000


DEV, TEST = "dev", "test"
"""What is not sealed, and what is, in tasks that come with a split of their own."""


@dataclass(frozen=True)
class ProbeText:
    """A probe to publish. Any of `other_answers` is right, too.

    `part` is one of `Probe.Part`, or drawn by lot at publication: of all three where it is empty,
    of fit and select for `DEV`; `TEST` is sealed.
    """

    prompt: str
    answer: str
    part: str = ""
    other_answers: tuple[str, ...] = ()


def split_parts(count: int, seed: int) -> list[str]:
    """Which part each of `count` probes belongs to: 40 % fit, 20 % select, 40 % sealed.

    Each part gets at least two where `count` >= 6. Drawn by lot, the same for the same seed.
    """
    select = max(2, round(count * 0.2))
    fit = max(2, round((count - select) / 2))
    parts = ["fit"] * fit + ["select"] * select
    parts += ["sealed"] * (count - len(parts))
    random.Random(seed).shuffle(parts)
    return parts


def split_dev(count: int, seed: int) -> list[str]:
    """The same for probes that are not sealed: two thirds fit, one third select."""
    select = max(2, round(count / 3))
    parts = ["fit"] * (count - select) + ["select"] * select
    random.Random(seed).shuffle(parts)
    return parts


def drawn_parts(probes: Sequence[ProbeText], seed: int) -> list[str]:
    """The part of each probe, drawn by lot where it is not given."""
    wanted = [probe.part for probe in probes]
    lot = iter(split_parts(wanted.count(""), seed) if "" in wanted else [])
    dev = iter(split_dev(wanted.count(DEV), seed) if DEV in wanted else [])
    drawn = {"": lot, DEV: dev}
    given = {TEST: str(Probe.Part.SEALED)}
    return [next(drawn[part]) if part in drawn else given.get(part, part) for part in wanted]


def priority_declare(
    *,
    owner: User,
    statement: str,
    why: str = "",
    task_type: str = Priority.TaskType.EXACT_MATCH,
    probes: Sequence[ProbeText],
    once: uuid.UUID | None = None,
) -> Priority:
    """Publish a priority with its probes. Raises Refused for too few, too many or doubled ones."""
    if len(probes) < FEWEST_PROBES:
        raise Refused(
            f"{len(probes)} probes are too few: bring at least {FEWEST_PROBES}, "
            "so that two are left for each of tuning, choosing and the sealed test."
        )
    if len(probes) > MOST_PROBES:
        raise Refused(f"{len(probes)} probes are too many: bring at most {MOST_PROBES}.")
    seen: dict[str, int] = {}
    for row, probe in enumerate(probes, start=1):
        first = seen.setdefault(probe.prompt.casefold().strip(), row)
        if first != row and probe.part not in Probe.Part.values:
            raise Refused(
                f"Probes {first} and {row} ask the same question. Remove one of them: "
                "otherwise a sealed probe could be known from an open one."
            )
    once = once or uuid.uuid4()
    with transaction.atomic():
        priority, created = Priority.objects.get_or_create(
            once=once,
            defaults={
                "owner": owner,
                "statement": statement,
                "why": why,
                "task_type": task_type,
            },
        )
        if not created:
            return priority
        Probe.objects.bulk_create(
            Probe(
                priority=priority,
                position=position,
                prompt=probe.prompt,
                answer=probe.answer,
                other_answers=list(probe.other_answers),
                part=part,
            )
            for position, (probe, part) in enumerate(
                zip(probes, drawn_parts(probes, priority.split_seed), strict=True), start=1
            )
        )
        record(
            actor=owner,
            action="priority.declared",
            subject=priority,
            # As a text: many readers of JSON round so large a number.
            data={
                "probes": len(probes),
                "task_type": task_type,
                "split_seed": str(priority.split_seed),
            },
        )
    return priority


def priority_retire(*, steward: User, priority: Priority, reason: str) -> Priority:
    """Take a priority off the list. What was trained for it stays."""
    if not reason.strip():
        raise Refused("Give a public reason for retiring this priority.")
    with transaction.atomic():
        priority = Priority.objects.select_for_update().get(pk=priority.pk)
        if priority.status == Priority.Status.RETIRED:
            raise Refused("This priority is retired already.")
        priority.status = Priority.Status.RETIRED
        priority.save(update_fields=["status"])
        record(actor=steward, action="priority.retired", subject=priority, reason=reason)
    return priority


def priority_merge(*, steward: User, priority: Priority, into: Priority, reason: str) -> Priority:
    """Retire a priority in favour of another that says the same, and point there.

    Its experts and probes stay where they are. Raises Refused for itself and for one that is
    retired, as every merged one is: so the pointers never go round in a circle.
    """
    if not reason.strip():
        raise Refused("Give a public reason for merging this priority.")
    if priority.pk == into.pk:
        raise Refused("A priority cannot be merged into itself. Choose another one.")
    with transaction.atomic():
        # In order, or two merges that cross could wait for each other for ever.
        both = Priority.objects.select_for_update().filter(pk__in=[priority.pk, into.pk])
        rows = {row.pk: row for row in both.order_by("pk")}
        priority, into = rows[priority.pk], rows[into.pk]
        if priority.status == Priority.Status.RETIRED:
            raise Refused("This priority is retired already.")
        if into.status == Priority.Status.RETIRED:
            raise Refused(f"“{into}” is retired. Choose one that is open.")
        priority.status, priority.merged_into = Priority.Status.RETIRED, into
        priority.save(update_fields=["status", "merged_into"])
        record(
            actor=steward,
            action="priority.merged",
            subject=priority,
            reason=reason,
            data={"into": into.pk},
        )
    return priority
