"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404

from governance import ballot_box
from governance.models import (
    Ballot,
    BoxEntry,
    Candidate,
    Comment,
    Decision,
    Elector,
    Proposal,
    ProposalVersion,
    Question,
    Report,
    Round,
    Slate,
    Thing,
    ThreadMute,
    Veto,
)
from governance.models.proposal import ProposalQuerySet
from governance.models.round import CandidateQuerySet, RoundQuerySet
from governance.models.slate import SlateQuerySet
from mosaic_site.members.models import User


def rounds_for_anyone() -> RoundQuerySet:
    return (
        Round.objects.select_related("opened_by", "settled_by", "box")
        .prefetch_related("decisions__releases")
        .with_counts()
    )


def round_for_anyone(pk: int) -> Round:
    return get_object_or_404(rounds_for_anyone(), pk=pk)


def round_to_vote_in(pk: int) -> Round:
    """A round for its ballot pages, which say nothing of decisions."""
    return get_object_or_404(Round.objects.with_counts(), pk=pk)


def candidates_for_anyone(round_: Round) -> CandidateQuerySet:
    """What stands on the ballot, the cheapest first. It says nothing about who approves of what."""
    return round_.candidates.with_experts().order_by("cost_bytes", "expert__name", "id")


def candidate_for_anyone(pk: int) -> Candidate:
    standing = _with_last_choice(Candidate.objects.with_experts().select_related("round"))
    return get_object_or_404(standing, pk=pk)


def questions_for_anyone(round_: Round) -> Sequence[Question]:
    return list(round_.questions.select_related("version", "proposal__expert"))


def candidates_as_shown_to(person: User, round_: Round) -> list[Candidate]:
    """What stands on the ballot, in this person's own order: the same on every visit, but another
    for everybody, so that nobody's expert is always the first.
    """

    def place(candidate: Candidate) -> str:
        return hashlib.sha256(f"{round_.pk}:{person.pk}:{candidate.pk}".encode()).hexdigest()

    return sorted(_with_last_choice(round_.candidates.with_experts()), key=place)


def _with_last_choice(candidates: CandidateQuerySet) -> CandidateQuerySet:
    """Adds `chosen_last`: whether the last ratified decision admitted the expert."""
    decision = Decision.objects.ratified().order_by("-round__opens_at").first()
    winners = Candidate.objects.filter(
        pk__in=decision.winner_ids if decision else [], expert=OuterRef("expert")
    )
    return candidates.annotate(chosen_last=Exists(winners))


def elector_of(person: User, round_: Round) -> Elector | None:
    """A person's own place in the electorate of a frozen round."""
    return round_.electors.filter(member=person).first()


def ballot_of(person: User, round_: Round, receipts: Sequence[str] = ()) -> Ballot | None:
    """A person's own ballot. There is no way to get anybody else's.

    While the round has its key, the person is enough. After that only a receipt finds it: one of
    those that the person's own browser kept.
    """
    if round_.ballot_key:
        pseudonym = ballot_box.pseudonym(round_.ballot_key, person.pk)
        return round_.ballots.filter(voter=pseudonym).first()
    return round_.ballots.filter(receipt__in=receipts).first() if receipts else None


@dataclass(frozen=True)
class Receipt:
    """What the box says about a receipt: where it is, and whether its ballot counts.

    `ballot` is what it says, for everybody to see once the round is over and openings are public.
    """

    entry: BoxEntry
    counts: bool
    ballot: Ballot | None

    @property
    def is_shown(self) -> bool:
        """Whether the chain that everybody sees has come to it."""
        return self.entry.position < self.entry.round.box.public_length


def receipt_for_anyone(receipt: str) -> Receipt | None:
    entry = (
        BoxEntry.objects.filter(receipt=receipt, kind=BoxEntry.Kind.CAST)
        .select_related("round__box")
        .first()
        if receipt
        else None
    )
    if entry is None:
        return None
    ballot = Ballot.objects.filter(receipt=receipt).select_related("round").first()
    published = entry.round.is_over and openings_are_public(entry.round)
    return Receipt(entry, ballot is not None, ballot if published else None)


def openings_are_public(round_: Round) -> bool:
    """Whether the ballots may be published: the round is over, and they are enough to hide in."""
    return round_.is_over and round_.ballots.count() >= Round.ADVISORY_BELOW


@dataclass(frozen=True)
class StartingPoint:
    """What a member's ballot page begins with, and where it comes from.

    `ballot` is the one cast in this round, if any; `earlier` is the member's last round before
    it, if the approvals are taken over from there; `slate` is the recommendation asked for.
    """

    approved: frozenset[int]
    answers: dict[int, str] = field(default_factory=dict)
    ballot: Ballot | None = None
    earlier: Round | None = None
    slate: Slate | None = None


def starting_point(
    person: User, round_: Round, receipts: Sequence[str] = (), slate: Slate | None = None
) -> StartingPoint:
    """A slate that was asked for; else the ballot that is cast; else the same experts as in the
    member's last ballot, which their browser's receipts (or the key of a round that is not settled
    yet) find; else nothing."""
    ballot = ballot_of(person, round_)
    if slate is not None:
        approved = frozenset(slate.approvals.values_list("pk", flat=True))
        answers = {int(pk): said for pk, said in slate.answers.items()}
        return StartingPoint(approved, answers, ballot=ballot, slate=slate)
    if ballot is not None:
        return StartingPoint(ballot.approvals, ballot.answers, ballot=ballot)
    before = Round.objects.filter(opens_at__lt=round_.opens_at).exclude(pk=round_.pk)
    last = before.filter(electors__member=person, electors__voted=True).first()
    earlier = ballot_of(person, last, receipts) if last else None
    if last is None or earlier is None:
        return StartingPoint(frozenset())
    experts = last.candidates.filter(pk__in=earlier.approvals).values("expert")
    kept = frozenset(round_.candidates.filter(expert__in=experts).values_list("pk", flat=True))
    return StartingPoint(kept, earlier=last if kept else None)


def veto_for_stewards(pk: int) -> Veto:
    return get_object_or_404(Veto.objects.select_related("round", "candidate"), pk=pk)


def veto_moved_by(person: User, pk: int) -> Veto:
    return get_object_or_404(Veto.objects.select_related("round"), pk=pk, moved_by=person)


def slates_for_anyone(round_: Round) -> SlateQuerySet:
    """The ballots that members recommend, the first one first."""
    return round_.slates.with_counts().select_related("author").order_by("created_at", "id")


def slate_for_anyone(pk: int) -> Slate:
    return get_object_or_404(Slate.objects.select_related("author", "removed_by", "round"), pk=pk)


def slate_of(round_: Round, pk: int) -> Slate:
    """To begin a ballot of this round with; a slate of another round, or a hidden one, does not
    exist here."""
    standing = Slate.objects.select_related("author").filter(removed_at=None)
    return get_object_or_404(standing, pk=pk, round=round_)


def slate_owned_by(person: User, pk: int) -> Slate:
    return get_object_or_404(Slate.objects.select_related("author", "round"), pk=pk, author=person)


def slate_by(person: User, round_: Round) -> Slate | None:
    """The one that a person recommends in a round."""
    return round_.slates.filter(author=person).first()


def proposals_for_anyone() -> ProposalQuerySet:
    """With the titles of their versions; a text is loaded when it is read."""
    titles = Prefetch("versions", ProposalVersion.objects.defer("text"))
    return Proposal.objects.with_people().with_counts().prefetch_related(titles)


def proposal_for_anyone(pk: int) -> Proposal:
    return get_object_or_404(proposals_for_anyone(), pk=pk)


def proposal_owned_by(person: User, pk: int) -> Proposal:
    return get_object_or_404(proposals_for_anyone(), pk=pk, author=person)


def proposal_controlled_by(person: User, pk: int) -> Proposal:
    """To withdraw: the author's and the stewards' right."""
    mine = Q() if person.is_steward else Q(author=person)
    return get_object_or_404(proposals_for_anyone().filter(mine), pk=pk)


def is_endorsed_by(person: User, proposal: Proposal) -> bool:
    return proposal.endorsements.filter(member=person).exists()


@dataclass(frozen=True)
class Appearance:
    """A round in which a proposal stood. `won`: what came out; None while there is no result."""

    round: Round
    won: bool | None


def appearances_of(proposal: Proposal) -> list[Appearance]:
    """The newest twenty."""
    rows: QuerySet[Candidate] | QuerySet[Question] = (
        Candidate.objects.filter(expert=proposal.expert_id)
        if proposal.kind == Proposal.Kind.ADMIT
        else proposal.questions.all()
    )
    stood = {row.pk: row.round for row in rows.select_related("round").order_by("-round")[:20]}
    counted = Decision.objects.filter(stands=True, round__in=stood.values())
    # What each ballot paid is in the result: too much to load for a word.
    decisions = {
        one.round_id: one
        for one in counted.defer("result").exclude(round__status=Round.Status.ANNULLED)
    }

    def won(pk: int, round_: Round) -> bool | None:
        decision = decisions.get(round_.pk)
        if decision is None:
            return None
        if proposal.kind == Proposal.Kind.ADMIT:
            return str(pk) in decision.recount
        return pk in decision.passed

    return [Appearance(round_, won(pk, round_)) for pk, round_ in stood.items()]


def comments_for_anyone(proposal: Proposal) -> QuerySet[Comment]:
    """The thread, the first one first; removed ones keep their place."""
    return proposal.comments.select_related("author", "removed_by")


def follows(person: User, proposal: Proposal) -> str:
    """ "" for who has no part in a discussion, "muted" or "told" for who has."""
    of = {"proposal": OuterRef("pk")}
    muted, wrote = Proposal.objects.values_list(
        Exists(ThreadMute.objects.filter(member=person, **of)),
        Exists(Comment.objects.filter(author=person, **of)),
    ).get(pk=proposal.pk)
    if muted:
        return "muted"
    return "told" if wrote or proposal.author_id == person.pk else ""


def comment_for_anyone(pk: int) -> Comment:
    comments = Comment.objects.select_related("author", "removed_by", "proposal")
    return get_object_or_404(comments.prefetch_related("proposal__versions"), pk=pk)


def comment_owned_by(person: User, pk: int) -> Comment:
    return get_object_or_404(Comment.objects.select_related("proposal"), pk=pk, author=person)


def reports_for_stewards(thing: Thing) -> QuerySet[Report]:
    """The newest twenty. Who reported is known to stewards only."""
    reports = thing.reports.select_related("member", "answered_by")
    return reports.order_by("-created_at", "-pk")[:20]


REPORTED = ("comment", "proposal", "slate")


def reports_waiting() -> QuerySet[Report, dict[str, Any]]:
    """For stewards: what has reports that nobody answered, the longest wait first.

    Each row has the key of one of `REPORTED`, `waiting_since` and `report_count`.
    """
    waiting: QuerySet[Report, dict[str, Any]] = (
        Report.objects.filter(answer="")
        .order_by()
        .values(*REPORTED)
        .annotate(waiting_since=Min("created_at"), report_count=Count("pk"))
        .order_by("waiting_since", *REPORTED)
    )
    return waiting


@dataclass(frozen=True)
class Waiting:
    """Something that was reported; `first` are three of its reports at most."""

    thing: Thing
    since: datetime
    reports: int
    first: list[Report]


def waiting_things(rows: Sequence[Mapping[str, Any]]) -> list[Waiting]:
    """What the rows of `reports_waiting` speak of. A fixed number of queries."""
    versions = "proposal__versions"
    found: dict[str, dict[int, Thing]] = {
        "comment": dict(
            Comment.objects.select_related("author", "removed_by", "proposal")
            .prefetch_related(versions)
            .in_bulk([row["comment"] for row in rows if row["comment"]])
        ),
        "proposal": dict(
            Proposal.objects.select_related("author", "removed_by")
            .prefetch_related("versions")
            .in_bulk([row["proposal"] for row in rows if row["proposal"]])
        ),
        "slate": dict(
            Slate.objects.select_related("author", "removed_by", "round").in_bulk(
                [row["slate"] for row in rows if row["slate"]]
            )
        ),
    }
    about = Q()
    for kind, things in found.items():
        about |= Q(**{f"{kind}__in": things})
    first: dict[tuple[str, int], list[Report]] = defaultdict(list)
    for report in Report.objects.filter(about, answer="").select_related("member"):
        kind = next(kind for kind in REPORTED if getattr(report, f"{kind}_id"))
        first[kind, getattr(report, f"{kind}_id")].append(report)
    waiting = []
    for row in rows:
        kind = next(kind for kind in REPORTED if row[kind])
        thing, reports = found[kind][row[kind]], first[kind, row[kind]][:3]
        waiting.append(Waiting(thing, row["waiting_since"], row["report_count"], reports))
    return waiting
