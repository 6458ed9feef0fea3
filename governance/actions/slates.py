"""Ballots that members recommend to others, in public."""

from collections.abc import Collection, Mapping

from django.db import transaction

from governance.actions.box import ANSWERS
from governance.models import Round, Slate
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User


def slate_publish(
    *,
    author: User,
    round_: Round,
    title: str,
    why: str = "",
    approvals: Collection[int],
    answers: Mapping[int, str] | None = None,
) -> Slate:
    """Publish or change one's slate: keys of candidates, and answers by question's key.

    A member has one in a round, so that a second click, or the same again, changes nothing. It
    casts no ballot, nor does it have to be what its author casts.
    """
    answers = answers or {}
    said = {"title": title, "why": why, "answers": {str(pk): one for pk, one in answers.items()}}
    with transaction.atomic():
        round_ = Round.objects.get(pk=round_.pk)
        _require_time(round_)
        if not approvals and not answers:
            raise Refused("Recommend at least one expert or answer.")
        standing = set(round_.candidates.filter(pk__in=approvals).values_list("pk", flat=True))
        asked = set(round_.questions.filter(pk__in=answers).values_list("pk", flat=True))
        if standing != set(approvals) or asked != set(answers):
            raise Refused("Something that you recommend does not stand in this round.")
        if not set(answers.values()) <= set(ANSWERS):
            raise Refused("Recommend yes, no or to abstain.")
        slate = Slate.objects.filter(round=round_, author=author).first()
        if slate is not None and _says(slate) == (said, standing):
            return slate
        action = "slate.published" if slate is None else "slate.changed"
        slate, _ = Slate.objects.update_or_create(round=round_, author=author, defaults=said)
        slate.approvals.set(standing)
        _record(slate, action)
    return slate


def slate_take_back(*, author: User, slate: Slate) -> None:
    """Recommend nothing any more. Ballots that began with it stay as they are."""
    with transaction.atomic():
        _require_time(slate.round)
        if slate.removed_at is not None:
            raise Refused("A steward hid this slate. It stays where it is; ask for another look.")
        _record(slate, "slate.taken_back")
        slate.delete()


def _says(slate: Slate) -> tuple[dict[str, object], set[int]]:
    said = {"title": slate.title, "why": slate.why, "answers": slate.answers}
    return said, set(slate.approvals.values_list("pk", flat=True))


def _require_time(round_: Round) -> None:
    if not round_.takes_slates:
        raise Refused("Slates are published and changed from a round's freeze until its close.")


def _record(slate: Slate, action: str) -> None:
    """In the name of the round: the slate may be taken back, and the ledger still leads there."""
    record(
        actor=slate.author,
        action=action,
        subject=slate.round,
        data={"title": slate.title},
    )
    live.announce(f"round.{slate.round_id}")
