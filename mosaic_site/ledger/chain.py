"""Appending to the ledger, and proving it."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from mosaic_site.ledger.models import THE_SITE, Entry, Head, seal
from mosaic_site.ledger.registry import SENTENCES
from mosaic_site.members.models import LEFT, User

GENESIS = "0" * 64
"""What the first entry follows."""


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces, UTF-8) of an entry's body."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def record(
    *,
    actor: User | None,
    action: str,
    subject: models.Model,
    reason: str = "",
    data: Mapping[str, Any] | None = None,
) -> Entry:
    """Append one entry. Call it in the transaction that writes the row it speaks of.

    `actor` None means the site itself (a worker, the clock). Raises KeyError for an action that
    no app registered.
    """
    if action not in SENTENCES:
        raise KeyError(f"ledger action {action!r} is not registered")
    get_url = getattr(subject, "get_absolute_url", None)
    with transaction.atomic():
        Head.objects.get_or_create(id=1)
        head = Head.objects.select_for_update().get(id=1)
        entry = Entry(
            sequence=head.sequence + 1,
            at=timezone.now(),
            actor=actor,
            actor_name=actor.username if actor else THE_SITE,
            action=action,
            subject_kind=subject._meta.label_lower,
            subject_id=str(subject.pk),
            subject_name=str(subject)[:240],
            subject_url=get_url() if get_url else "",
            reason=reason,
            data=dict(data or {}),
            previous=head.hash,
        )
        if actor:
            entry.actor_salt = secrets.token_hex(16)
            entry.actor_seal = seal(entry.actor_salt, entry.actor_name)
        if isinstance(subject, User):
            entry.subject_salt = secrets.token_hex(16)
            entry.subject_seal = seal(entry.subject_salt, entry.subject_name)
        entry.hash = digest(entry.body())
        entry.save(force_insert=True)
        head.sequence, head.hash = entry.sequence, entry.hash
        head.save()
    return entry


def forget(member: User) -> None:
    """Take a member's name out of every entry. The hashes cover seals, so the chain stays whole.

    Entries from before there were seals keep it in the row, and no page shows it any more.
    """
    own = Entry.objects.filter(actor=member)
    own.exclude(actor_seal="").update(actor_name=LEFT, actor_salt="")
    own.update(actor=None)
    about = Entry.objects.filter(subject_kind=member._meta.label_lower, subject_id=str(member.pk))
    about.exclude(subject_seal="").update(subject_name=LEFT, subject_salt="")


@dataclass(frozen=True)
class Verdict:
    """`broken` is the first sequence number that does not hold, or None."""

    entries: int
    head: str
    broken: int | None
    problem: str


def end_holds(newest: int = 100) -> bool:
    """Whether the last links hold, and the head is the last of them: quick, however long it is."""
    entries = list(Entry.objects.order_by("-sequence")[: newest + 1])
    before = entries.pop() if len(entries) > newest else None
    previous = before.hash if before else GENESIS
    count = before.sequence if before else 0
    return _walk(reversed(entries), count, previous).broken is None


def verify() -> Verdict:
    """Walk the whole chain: no gap, every hash right, and the head its last link."""
    return _walk(Entry.objects.order_by("sequence").iterator(), 0, GENESIS)


def _walk(entries: Iterable[Entry], count: int, previous: str) -> Verdict:
    """`entries` are those after the first `count`, up to the end; `previous`: the hash before."""
    for entry in entries:
        count += 1
        problem = ""
        if entry.sequence != count:
            problem = f"entry {count} is missing"
        elif entry.previous != previous:
            problem = "it does not follow the entry before it"
        elif entry.hash != digest(entry.body()) or not entry.seals_hold:
            problem = "its content is not what was recorded"
        if problem:
            return Verdict(count, previous, count, problem)
        previous = entry.hash
    head = Head.objects.filter(id=1).first()
    if head is not None and (head.sequence, head.hash) != (count, previous):
        return Verdict(count, previous, count + 1, "entries at the end are missing")
    return Verdict(count, previous, None, "")
