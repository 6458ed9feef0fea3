"""What members propose, how it changes, and who stands behind it."""

import uuid
from fractions import Fraction

from django.conf import settings
from django.db import IntegrityError, transaction

from contributions.models import Expert
from governance.actions.limits import require_pause
from governance.models import Candidate, Proposal, ProposalVersion, Round
from governance.models.proposal import PROPOSAL_LIFECYCLE
from mosaic_site import live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify

THRESHOLDS = ("1/2", "3/5", "2/3", "3/4")
"""Parts of the yes and no votes, one of which a question must exceed to pass."""


def proposals_for_eligible() -> None:
    """Give every eligible expert the proposal to admit it, by its owner, where it has none; close
    what is left open about experts that are gone."""
    without = Expert.objects.for_ballot().exclude(proposals__kind=Proposal.Kind.ADMIT)
    for expert in without.order_by("pk"):
        with transaction.atomic():
            proposal, created = Proposal.objects.get_or_create(
                kind=Proposal.Kind.ADMIT,
                expert=expert,
                status=Proposal.Status.OPEN,
                defaults={"author_id": expert.owner_id},
            )
            if created:
                ProposalVersion.objects.create(
                    proposal=proposal,
                    number=1,
                    title=f"Admit {expert.name}"[:160],
                    text=expert.purpose,
                )
    gone = Proposal.objects.filter(
        status=Proposal.Status.OPEN, expert__status=Expert.Status.WITHDRAWN
    )
    for proposal in gone.order_by("pk"):
        with transaction.atomic():
            proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
            if proposal.status == Proposal.Status.OPEN:
                _withdraw(proposal, actor=None, reason="The expert has left.")


def proposal_make(
    *,
    author: User,
    kind: str,
    expert: Expert | None,
    title: str,
    text: str,
    threshold: str,
    once: uuid.UUID | None = None,
) -> Proposal:
    """Propose to retire an expert, or ask a question. Raises Refused for what cannot be asked."""
    title, text = _typed(title, text)
    if kind not in (Proposal.Kind.RETIRE, Proposal.Kind.QUESTION):
        raise Refused("Every eligible expert stands in the next round by itself.")
    if (kind == Proposal.Kind.RETIRE) != (expert is not None):
        raise Refused("Name the expert to be retired, and none for a question.")
    if expert is not None and expert.status != Expert.Status.ELIGIBLE:
        raise Refused(f"{expert} stands on no ballot, so there is nothing to retire it from.")
    if threshold not in THRESHOLDS:
        raise Refused("Choose one of the thresholds on the list.")
    once = once or uuid.uuid4()
    try:
        with transaction.atomic():
            proposal, created = Proposal.objects.get_or_create(
                once=once,
                defaults={
                    "author": author,
                    "kind": kind,
                    "expert": expert,
                    "threshold": threshold,
                },
            )
            if not created:
                return proposal
            _require_pause(author)
            ProposalVersion.objects.create(proposal=proposal, number=1, title=title, text=text)
            record(
                actor=author,
                action="proposal.made",
                subject=proposal,
                data={"kind": kind, "threshold": threshold},
            )
    except IntegrityError as error:
        raise Refused(f"There is a proposal to retire {expert}. Endorse that one.") from error
    return proposal


def proposal_edit(*, author: User, proposal: Proposal, title: str, text: str) -> Proposal:
    """Publish a new version. It takes back every endorsement and tells those who gave one.

    The same words again change nothing. Refused to others than the author, and on a ballot.
    """
    title, text = _typed(title, text)
    with transaction.atomic():
        proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
        before = proposal.latest
        if (before.title, before.text) == (title, text):
            return proposal
        if proposal.author_id != author.pk:
            raise Refused("Only its author can change a proposal.")
        _require_open(proposal, "changed")
        _require_pause(author)
        version = ProposalVersion.objects.create(
            proposal=proposal, number=before.number + 1, title=title, text=text
        )
        affected = set(proposal.endorsements.values_list("member_id", flat=True))
        proposal.endorsements.all().delete()
        record(
            actor=author,
            action="proposal.changed",
            subject=proposal,
            data={
                "version": version.number,
                "sha256": version.sha256,
                "endorsements_taken_back": len(affected),
            },
        )
        notify(
            members=affected - {author.pk},
            kind="proposal.changed",
            text=f"“{version}” changed; your endorsement was taken back: "
            "read it and endorse again.",
            url=proposal.get_absolute_url(),
            key=f"proposal.{proposal.pk}.changed.{version.number}",
        )
        live.announce(f"proposal.{proposal.pk}")
    return proposal


def proposal_withdraw(*, actor: User, proposal: Proposal, reason: str) -> Proposal:
    """Take a proposal off the table for good: its author's right, and a steward's."""
    if not reason.strip():
        raise Refused("Give a public reason for withdrawing this proposal.")
    with transaction.atomic():
        proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
        if proposal.author_id != actor.pk and not actor.is_steward:
            raise Refused("Only its author or a steward can withdraw a proposal.")
        if proposal.kind == Proposal.Kind.ADMIT:
            raise Refused("Withdraw the expert itself: the proposal to admit it goes with it.")
        _require_open(proposal, "withdrawn")
        affected = {
            proposal.author_id,
            *proposal.endorsements.values_list("member_id", flat=True),
        }
        _withdraw(proposal, actor=actor, reason=reason)
        notify(
            members=affected - {actor.pk},
            kind="proposal.withdrawn",
            text=f"“{proposal}” was withdrawn by {actor.display_name}: {reason}",
            url=proposal.get_absolute_url(),
            key=f"proposal.{proposal.pk}.withdrawn",
        )
    return proposal


def endorse(*, member: User, proposal: Proposal, version: int) -> None:
    """Say that a proposal should be voted on, in the words of this version. Twice is once."""
    with transaction.atomic():
        # An edit waits here: nobody endorses words that they have not seen.
        proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
        if proposal.kind == Proposal.Kind.ADMIT:
            raise Refused("An eligible expert stands in the next round without endorsements.")
        _require_open(proposal, "endorsed")
        if proposal.removed_at is not None:
            raise Refused("A steward hid this proposal, so nobody can endorse it now.")
        if proposal.latest.number != version:
            raise Refused(
                "It changed while you were reading, so it is not endorsed yet: read it again."
            )
        proposal.endorsements.get_or_create(member=member)
        live.announce(f"proposal.{proposal.pk}")


def endorsement_withdraw(*, member: User, proposal: Proposal) -> None:
    """Take one's own endorsement back; nothing happens where there is none."""
    with transaction.atomic():
        proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
        _require_open(proposal, "changed")
        proposal.endorsements.filter(member=member).delete()
        live.announce(f"proposal.{proposal.pk}")


def threshold_words(threshold: str) -> str:
    """ "2/3" as "more than 2/3 (67 %)": of those who say yes or no."""
    return f"more than {threshold} ({float(Fraction(threshold)):.0%})".replace("%", " %")


def _typed(title: str, text: str) -> tuple[str, str]:
    title, text = " ".join(title.split()), text.replace("\r\n", "\n").strip()
    if not title:
        raise Refused("Give the proposal a title.")
    return title, text


def _require_pause(author: User) -> None:
    """Changes count too: each tells those who endorsed it. What the site proposes does not."""
    theirs = ProposalVersion.objects.filter(proposal__author=author)
    require_pause(
        author,
        theirs.exclude(proposal__kind=Proposal.Kind.ADMIT, number=1),
        most=settings.MOSAIC_PROPOSALS_AN_HOUR,
        things="proposals and changes",
    )


def _require_open(proposal: Proposal, verb: str) -> None:
    """Raise Refused where it is decided or withdrawn, or people are voting on it."""
    if proposal.status in (Proposal.Status.DECIDED, Proposal.Status.WITHDRAWN):
        raise Refused(f"This proposal is {proposal.get_status_display()}: it cannot be {verb}.")
    now_voting = (Round.Status.FROZEN, Round.Status.OPEN)
    standing = Candidate.objects.filter(expert=proposal.expert_id, round__status__in=now_voting)
    if proposal.status == Proposal.Status.ON_BALLOT or (
        proposal.kind == Proposal.Kind.ADMIT and standing.exists()
    ):
        raise Refused(f"This proposal is on a ballot now: until it is decided it cannot be {verb}.")


def _withdraw(proposal: Proposal, *, actor: User | None, reason: str) -> None:
    PROPOSAL_LIFECYCLE.require(proposal.status, Proposal.Status.WITHDRAWN)
    proposal.status, proposal.status_reason = Proposal.Status.WITHDRAWN, reason
    proposal.save(update_fields=["status", "status_reason"])
    record(actor=actor, action="proposal.withdrawn", subject=proposal, reason=reason)
    live.announce(f"proposal.{proposal.pk}")
