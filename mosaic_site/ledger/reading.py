"""Reading the ledger: entries as sentences."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser
from django.db import models

from mosaic_site.ledger.models import Entry
from mosaic_site.ledger.registry import PRIVATE, SENTENCES, Privacy
from mosaic_site.members.models import User


@dataclass(frozen=True)
class Line:
    """Read as "<entry.who> <sentence> <name>"; `url` is empty where no page is to be had."""

    entry: Entry
    sentence: str
    name: str
    url: str


def told(entries: Iterable[Entry], person: User | AnonymousUser) -> list[Line]:
    """As this person may read it: what is private is not named to others."""
    entries = list(entries)
    asked: dict[Privacy, dict[str, set[str]]] = {}
    for entry in entries:
        if privacy := PRIVATE.get(entry.subject_kind):
            of_kind = asked.setdefault(privacy, {}).setdefault(entry.subject_kind, set())
            of_kind.add(entry.subject_id)
    known = {one for privacy, keys in asked.items() for one in privacy.known(person, keys)}
    return [
        _line(entry)
        if entry.subject_kind not in PRIVATE or (entry.subject_kind, entry.subject_id) in known
        else _line(entry, PRIVATE[entry.subject_kind].instead)
        for entry in entries
    ]


def about(subject: models.Model, newest: int = 50) -> list[Line]:
    """What was done to one thing, newest first, for its own page."""
    entries = Entry.objects.filter(
        subject_kind=subject._meta.label_lower, subject_id=str(subject.pk)
    )
    return [_line(entry) for entry in entries[:newest]]


def _line(entry: Entry, instead: str = "") -> Line:
    return Line(
        entry,
        SENTENCES.get(entry.action, entry.action),
        instead or entry.subject_name,
        "" if instead else entry.subject_url,
    )
