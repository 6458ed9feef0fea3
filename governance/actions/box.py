"""The ballot box: entries are appended under a lock, and nothing else ever happens to them."""

import secrets
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.db import transaction

from governance import ballot_box
from governance.models import Ballot, BoxEntry, BoxHead, Round
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.members.models import User

ANSWERS = ("yes", "no", "abstain")


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
        # What stands is frozen, so it is read before the lock; pseudonym and nonce need none.
        content = _content(round_, approvals, answers or {})
        nonce = secrets.token_hex(32)
        # Casts and the close wait for each other at this row: no late ballot slips in.
        heads = BoxHead.objects.select_for_update(of=("self",)).select_related("round")
        head = heads.filter(round=round_.pk).first()
        round_ = head.round if head else Round.objects.get(pk=round_.pk)
        if head is None or not round_.takes_ballots:
            raise Refused(round_.refusal_for(voter))
        if not round_.electors.filter(member=voter).update(voted=True):
            raise Refused(round_.refusal_for(voter))
        pseudonym = ballot_box.pseudonym(round_.ballot_key, voter.pk)
        before = round_.ballots.filter(voter=pseudonym).first()
        if before is not None and before.content == content:
            return before  # a second click, or the same choice again: nothing to record
        ballot = Ballot(
            id=before.pk if before else uuid.uuid4(),
            round=round_,
            voter=pseudonym,
            nonce=nonce,
            content=content,
            receipt=ballot_box.receipt(nonce, content),
        )
        ballot.save(force_insert=before is None, force_update=before is not None)
        _append(head, BoxEntry.Kind.CAST, {"voter": pseudonym, "receipt": ballot.receipt})
        live.announce(f"round.{round_.pk}")
    return ballot


def receipt_mail(*, voter: User, round_: Round, receipt: str) -> None:
    """Have a receipt mailed. No row remembers it: it would tie the voter to the ballot."""
    live.send("governance.tasks.mail_receipt", voter.pk, round_.pk, receipt)


def _content(round_: Round, approvals: Collection[int], answers: Mapping[int, str]) -> str:
    standing = set(round_.candidates.filter(pk__in=approvals).values_list("pk", flat=True))
    if standing != set(approvals):
        raise Refused("One of the experts you approved does not stand in this round.")
    if answers:
        asked = set(round_.questions.values_list("pk", flat=True))
        if set(answers) - asked or set(answers.values()) - set(ANSWERS):
            raise Refused("One of your answers is to no question of this round.")
    return ballot_box.ballot_text(
        (str(pk) for pk in standing), {str(pk): said for pk, said in answers.items()}
    )
