"""The ballot box: entries are appended under a lock, and nothing else ever happens to them."""

import secrets
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from governance import ballot_box
from governance.models import Ballot, BoxEntry, BoxHead, Elector, Round
from mosaic_site import clock, live
from mosaic_site.errors import Refused
from mosaic_site.members.models import User

ANSWERS = ("yes", "no", "abstain")
BATCH = Round.ADVISORY_BELOW
"""So many casts at least are shown together while voting is open."""


def box_append(*, round_: Round, kind: str, payload: Mapping[str, Any]) -> BoxEntry:
    """Append one entry, in the caller's transaction."""
    head, _ = BoxHead.objects.select_for_update().get_or_create(
        round=round_, defaults={"hash": ballot_box.FIRST}
    )
    return _append(head, kind, payload)


def _append(head: BoxHead, kind: str, payload: Mapping[str, Any]) -> BoxEntry:
    text = ballot_box.canonical(payload)
    entry = BoxEntry.objects.create(
        round_id=head.round_id,
        position=head.length,
        kind=kind,
        payload=text,
        receipt=payload.get("receipt", ""),
        previous=head.hash,
        hash=ballot_box.link(head.hash, head.length, kind, text),
    )
    BoxHead.objects.filter(pk=head.pk).update(length=head.length + 1, hash=entry.hash)
    return entry


def box_show(*, round_: Round, now: datetime) -> bool:
    """At each full hour, show what was cast since the last batch, if that is a batch again.

    By the clock, and not with the tenth cast: whose that was would be plain to who watches. What
    came together is only known to be of these hours. Returns whether it was time to look.
    """
    hour = now.replace(minute=0, second=0, microsecond=0)
    waiting = BoxHead.objects.filter(round=round_, batched=True).exclude(looked_at__gte=hour)
    head = waiting.select_for_update().first()  # whoever has cast has committed
    if head is None:
        return False
    if head.length - head.shown_length >= BATCH:
        head.shown_length, head.shown_hash = head.length, head.hash
        head.shown_voters = round_.electors.filter(voted=True).count()
    head.looked_at = hour
    head.save(update_fields=["shown_length", "shown_hash", "shown_voters", "looked_at"])
    return True


def ballot_cast(
    *,
    voter: User,
    round_: Round,
    approvals: Collection[int],
    answers: Mapping[int, str] | None = None,
) -> Ballot:
    """Cast or change a ballot: keys of the candidates approved, and answers by question's key.

    The last one counts. Raises Refused after the close, for a person who may not vote, and for a
    candidate or question that does not stand in this round. The same ballot again changes nothing.
    """
    with transaction.atomic():
        round_ = Round.objects.get(pk=round_.pk)
        # Casts of the same person wait for each other at this row, so the rest can be made ready
        # before the box is locked.
        now = clock.now()
        in_time = round_.takes_ballots_at(now)
        if not (in_time and round_.electors.filter(member=voter).update(voted=True)):
            raise Refused(round_.refusal_for(voter, now))
        content = _content(round_, approvals, answers or {})
        pseudonym = ballot_box.pseudonym(round_.ballot_key, voter.pk)
        before = round_.ballots.filter(voter=pseudonym).first()
        if before is not None and before.content == content:
            return before  # a second click, or the same choice again: nothing to record
        nonce = secrets.token_hex(32)
        ballot = Ballot(
            id=before.pk if before else uuid.uuid4(),
            round=round_,
            voter=pseudonym,
            nonce=nonce,
            content=content,
            receipt=ballot_box.receipt(nonce, content),
        )
        # Casts and the close wait for each other at this row: no late ballot slips in. A close
        # that was waited for is only seen by a statement after it.
        head = BoxHead.objects.select_for_update().get(round=round_)
        round_.refresh_from_db(fields=["status"])
        now = clock.now()
        if not round_.takes_ballots_at(now):
            raise Refused(round_.refusal_for(voter, now))
        ballot.save(force_insert=before is None, force_update=before is not None)
        # No hint to anybody: the page of a round looks by itself, and one a ballot would tell when
        # somebody voted.
        _append(head, BoxEntry.Kind.CAST, {"voter": pseudonym, "receipt": ballot.receipt})
    return ballot


def key_destroy(*, round_: Round) -> None:
    """From here on nothing tells whose a ballot is. The caller saves the round.

    PostgreSQL keeps rows in the order in which they were written, with the transaction that wrote
    them: each elector's is that of their ballot. So all are written anew, in the order of a lot.
    """
    round_.ballot_key = ""
    keys = list(round_.electors.order_by().values_list("pk", flat=True))
    secrets.SystemRandom().shuffle(keys)
    for key in keys:
        Elector.objects.filter(pk=key).update(voted=F("voted"))


def receipt_mail(*, voter: User, round_: Round, receipt: str) -> None:
    """Have a receipt mailed. No row remembers it: it would tie the voter to the ballot."""
    live.send("governance.tasks.mail_receipt", voter.pk, round_.pk, receipt)


def _content(round_: Round, approvals: Collection[int], answers: Mapping[int, str]) -> str:
    # Without the order of the model, which would join the round.
    standing = set(round_.candidates.order_by().values_list("pk", flat=True))
    if not standing.issuperset(approvals):
        raise Refused("One of the experts you approved does not stand in this round.")
    if answers:
        asked = set(round_.questions.values_list("pk", flat=True))
        if set(answers) - asked or set(answers.values()) - set(ANSWERS):
            raise Refused("One of your answers is to no question of this round.")
    return ballot_box.ballot_text(
        {str(pk) for pk in approvals}, {str(pk): said for pk, said in answers.items()}
    )
