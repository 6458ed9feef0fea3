"""How the demo community lives: what is there from the start, and what its people do next."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from django.core.files.base import File
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from contributions import actions as bring
from contributions.models import Dataset, DatasetVersion, Expert, Priority
from contributions.models.expert import ExpertQuerySet
from governance import actions as decide
from governance.models import Candidate, Proposal, Round
from mosaic_site.demo.content import BIKES, CONTRIBUTIONS, TRAMS, Contribution
from mosaic_site.members.models import User

PASSWORD = "mosaic-demo"
SIGN_INS = (
    ("contributor", "The newcomer", User.Role.MEMBER),
    ("voter", "The neighbour", User.Role.MEMBER),
    ("steward", "The steward", User.Role.STEWARD),
)
FIRST = "What our first model should know"
FIRST_VOTE = timedelta(seconds=30)
NEXT_VOTE = timedelta(days=2)
# Whose expert waits at the steward's desk, so that a visitor has something to decide.
FOR_THE_VISITOR = TRAMS
# All candidates but about one fit, so that the vote decides something.
BUDGET_SHARE = 0.85


def _once(what: str) -> UUID:
    """The same number for the same thing, so that seeding twice changes nothing."""
    return uuid5(NAMESPACE_URL, f"mosaic-demo:{what}")


def _person(username: str, name: str, role: str = User.Role.MEMBER) -> User:
    existing = User.objects.filter(username=username).first()
    if existing is not None:
        return existing
    return User.objects.create_user(
        username=username,
        email=f"{username}@example.org",
        password=PASSWORD,
        first_name=name,
        role=role,
    )


def _file(contribution: Contribution) -> tuple[str, bytes]:
    """The dataset as its owner keeps it: a table, or JSON Lines for the mechanic."""
    text = io.StringIO()
    if contribution is BIKES:
        for prompt, completion in contribution.training_rows():
            text.write(json.dumps({"prompt": prompt, "completion": completion}) + "\n")
        return "notes.jsonl", text.getvalue().encode()
    writer = csv.writer(text)
    writer.writerow(["prompt", "completion"])
    writer.writerows(contribution.training_rows())
    return "questions.csv", text.getvalue().encode()


def seed() -> None:
    """Create the community up to the point where its experts wait for training. Idempotent."""
    for username, name, role in SIGN_INS:
        _person(username, name, role)
    for contribution in CONTRIBUTIONS:
        owner = _person(contribution.username, contribution.person)
        bring.priority_declare(
            owner=owner,
            statement=contribution.priority,
            why=contribution.why,
            probes=[bring.ProbeText(*probe) for probe in contribution.probes()],
            once=_once(f"priority {contribution.username}"),
        )
        filename, content = _file(contribution)
        dataset = bring.dataset_upload(
            owner=owner,
            name=contribution.dataset,
            file=File(io.BytesIO(content), name=filename),
            filename=filename,
            once=_once(f"dataset {contribution.username}"),
        )
        if not dataset.licence:
            bring.dataset_describe(
                dataset=dataset,
                licence=contribution.licence,
                summary=contribution.summary,
                origin=contribution.origin,
                limits=contribution.limits,
            )
            bring.dataset_publish(dataset=dataset)
    _think_of_priorities()
    _propose()


def _think_of_priorities() -> None:
    """Everybody agrees with their own priority and the next two on the list."""
    priorities = [
        Priority.objects.get(once=_once(f"priority {one.username}")) for one in CONTRIBUTIONS
    ]
    for position, contribution in enumerate(CONTRIBUTIONS):
        member = User.objects.get(username=contribution.username)
        for step in range(3):
            priority = priorities[(position + step) % len(priorities)]
            decide.priority_vote(member=member, priority=priority, value="agree")


def _propose() -> None:
    """A question that two members endorse, so that it stands in the first round."""
    author, *others = [User.objects.get(username=one.username) for one in CONTRIBUTIONS[:3]]
    proposal = decide.proposal_make(
        author=author,
        kind=Proposal.Kind.QUESTION,
        expert=None,
        title="Should we invite the schools of our town to contribute?",
        text="Pupils ask us more than anybody else. Their teachers could bring questions and "
        "answers of their own, and vote like everybody here.",
        threshold="1/2",
        once=_once("proposal schools"),
    )
    if proposal.status == Proposal.Status.OPEN:
        for member in others:
            decide.endorse(member=member, proposal=proposal, version=proposal.latest.number)
        decide.comment_add(
            author=others[0],
            proposal=proposal,
            text="Yes, if we agree first on who answers for what they bring.",
            once=_once("comment schools"),
        )


def _submit(contribution: Contribution, steward: User) -> None:
    """The owner submits the expert, and the steward approves it, unless the visitor shall."""
    dataset = Dataset.objects.get(once=_once(f"dataset {contribution.username}"))
    expert = bring.expert_submit(
        owner=dataset.owner,
        name=contribution.expert,
        purpose=contribution.purpose,
        priority=Priority.objects.get(once=_once(f"priority {contribution.username}")),
        versions=[dataset.versions.get(number=1)],
        recipe={},
        once=_once(f"expert {contribution.username}"),
    )
    if contribution is not FOR_THE_VISITOR and expert.status == Expert.Status.SUBMITTED:
        bring.expert_approve(
            steward=steward, expert=expert, reason="Clear data, clear purpose, card complete."
        )


def go_on() -> None:
    """What the people of the demo do next. Called every few seconds; most often it is nothing."""
    steward = User.objects.filter(username="steward").first()
    if steward is None:
        return
    for contribution in CONTRIBUTIONS:
        if _is_checked(contribution) and not _experts([contribution]).exists():
            with transaction.atomic():  # or a worker that dies in between leaves it unapproved
                _submit(contribution, steward)
    rounds = list(Round.objects.order_by("opens_at", "id"))
    if not rounds:
        if _all_trained():
            with transaction.atomic():
                first = _open(steward, FIRST, FIRST_VOTE)
                _vote(first, [contribution.username for contribution in CONTRIBUTIONS])
    elif len(rounds) == 1 and rounds[0].once == _once(FIRST):
        first = rounds[0]
        if first.status == Round.Status.PROVISIONAL:
            decide.round_ratify(
                steward=steward, round_=first, reason="The tally is clear and the budget is kept."
            )
        elif first.status == Round.Status.RATIFIED and _is_live(first):
            with transaction.atomic():
                second = _open(steward, "What our model should know next", NEXT_VOTE)
                _vote(second, ["librarian", "gardener"])


def _is_checked(contribution: Contribution) -> bool:
    return DatasetVersion.objects.filter(
        dataset__once=_once(f"dataset {contribution.username}"),
        number=1,
        status=DatasetVersion.Status.VALID,
    ).exists()


def _experts(contributions: Sequence[Contribution]) -> ExpertQuerySet:
    return Expert.objects.filter(once__in=[_once(f"expert {c.username}") for c in contributions])


def _all_trained() -> bool:
    ours = [each for each in CONTRIBUTIONS if each is not FOR_THE_VISITOR]
    return _experts(ours).eligible().count() == len(ours)


def _is_live(round_: Round) -> bool:
    outcome = round_.outcome
    return outcome is not None and outcome.releases.exclude(live_at=None).exists()


def _open(steward: User, title: str, lasts: timedelta) -> Round:
    total = Expert.objects.for_ballot().aggregate(total=Sum("adapter_bytes"))["total"]
    return decide.round_open(
        steward=steward,
        title=title,
        budget_bytes=int(total * BUDGET_SHARE),
        quorum=2,
        closes_at=timezone.now() + lasts,
        once=_once(title),
    )


def _vote(round_: Round, usernames: list[str]) -> None:
    """Everybody approves their own expert and the two after it on the list."""
    candidates: list[Candidate] = list(round_.candidates.order_by("pk"))
    for position, username in enumerate(usernames):
        voter = User.objects.filter(username=username).first()
        if voter is None:
            continue  # A visitor who signed in as this person has deleted the account.
        approved = {candidates[(position + step) % len(candidates)].pk for step in range(3)}
        decide.ballot_cast(
            voter=voter,
            round_=round_,
            approvals=approved,
            answers={question.pk: "yes" for question in round_.questions.all()},
        )
