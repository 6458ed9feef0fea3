"""Reading the ledger: entries as sentences."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import models

from mosaic_site.ledger.models import Entry
from mosaic_site.ledger.registry import SENTENCES


@dataclass(frozen=True)
class Line:
    """Read as "<entry.who> <sentence> <entry.subject_name>"."""

    entry: Entry
    sentence: str


def told(entries: Iterable[Entry]) -> list[Line]:
    return [Line(entry, SENTENCES.get(entry.action, entry.action)) for entry in entries]


def about(subject: models.Model, newest: int = 50) -> list[Line]:
    """What was done to one thing, newest first."""
    entries = Entry.objects.filter(
        subject_kind=subject._meta.label_lower, subject_id=str(subject.pk)
    )
    return told(entries[:newest])
