"""The cycle itself: every step through the action that the site's pages call, every piece of work
through the Celery tasks that the site's workers do."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.files.base import File
from django.db.models import Sum
from django.utils import timezone

from contributions import actions as bring
from contributions.models import Dataset, DatasetVersion, Expert, Priority
from governance import actions as decide
from governance.models import Round
from mosaic_site.ledger.chain import verify
from mosaic_site.members.models import User
from mosaic_site.rehearsal.folder import Brought
from training_workers.models import Job, Release
from training_workers.serving.client import NotServed, ask_and_wait
from training_workers.serving.wire import Asked

Say = Callable[[str], None]

LOOK_EVERY_SECONDS = 0.5
VOTE_LASTS = timedelta(seconds=5)


class NotClosed(Exception):
    """The loop broke; the message says at which step and why."""


@dataclass
class Contribution:
    """What one name has on the site."""

    name: str
    owner: User
    priority: Priority
    dataset: Dataset
    expert: Expert | None = None


def run(brought: Sequence[Brought], recipe: dict[str, Any], say: Say) -> Release:
    """Walk the whole loop once. Raises NotClosed."""
    steward = _member("steward", steward=True)
    contributions = [_bring(each, say) for each in brought]
    _wait("the datasets to be checked", lambda: not _unchecked(), say)
    for contribution in contributions:
        _submit(contribution, recipe)
        assert contribution.expert is not None
        bring.expert_approve(steward=steward, expert=contribution.expert)
    _wait("the experts to train", lambda: _trained(len(contributions), say), say)
    round_ = _vote(steward, contributions, say)
    _wait(
        "the round to close",
        lambda: not Round.objects.under_way().filter(pk=round_.pk).exists(),
        say,
    )
    round_.refresh_from_db()
    decision = round_.outcome
    if round_.status != Round.Status.PROVISIONAL or decision is None:
        raise NotClosed(f"The round ended without a result: {round_.status_reason}")
    winners = len(decision.winner_ids)
    say(f"{winners} of {len(contributions)} experts join")
    decide.round_ratify(steward=steward, round_=round_, reason="Rehearsal.")
    _wait("the release to be composed", _composed, say)
    release = Release.objects.get()
    if release.status != Release.Status.LIVE:
        raise NotClosed(f"The release could not be composed: {release.status_reason}")
    _talk(contributions, say)
    verdict = verify()
    if verdict.broken is not None:
        raise NotClosed(f"Ledger entry {verdict.broken} does not hold: {verdict.problem}.")
    say(f"the ledger holds: {verdict.entries} entries")
    return release


def _member(name: str, *, steward: bool = False) -> User:
    return User.objects.create_user(
        username=name,
        email=f"{name}@example.org",
        role=User.Role.STEWARD if steward else User.Role.MEMBER,
    )


def _bring(brought: Brought, say: Say) -> Contribution:
    owner = _member(brought.name)
    title = brought.name.replace("_", " ")
    priority = bring.priority_declare(
        owner=owner, statement=f"Serve the questions of {title} well", probes=brought.probes
    )
    with brought.file.open("rb") as stream:
        dataset = bring.dataset_upload(
            owner=owner,
            name=title,
            file=File(stream, name=brought.file.name),
            filename=brought.file.name,
        )
    dataset = bring.dataset_describe(
        dataset=dataset,
        licence="CC-BY-3.0",
        summary=f"Rows of {title}.",
        origin="The folder of this rehearsal.",
        limits="",
    )
    say(f"{brought.name} brings {brought.file.name} and {len(brought.probes)} probes")
    return Contribution(brought.name, owner, priority, dataset)


def _unchecked() -> bool:
    waiting = [DatasetVersion.Status.RECEIVED, DatasetVersion.Status.CHECKING]
    return DatasetVersion.objects.filter(status__in=waiting).exists()


def _submit(contribution: Contribution, recipe: dict[str, Any]) -> None:
    version = contribution.dataset.versions.get()
    if version.status != DatasetVersion.Status.VALID:
        report = version.report
        first = (
            next((f for f in report.findings if f.severity == "error"), None) if report else None
        )
        why = f"{first.problem} {first.remedy}" if first else "see its report"
        raise NotClosed(f"{version.filename} is not valid: {why}")
    if not version.is_cleared:
        found = ", ".join(version.report_data["personal"])
        reason = f"Rehearsal: {found} in a folder that is the operator's own."
        version = bring.version_acknowledge(version=version, reason=reason)
    contribution.expert = bring.expert_submit(
        owner=contribution.owner,
        name=contribution.name,
        purpose=f"Answers questions of {contribution.dataset.name}.",
        priority=contribution.priority,
        versions=[version],
        recipe=recipe,
    )


def _trained(count: int, say: Say) -> bool:
    failed = Expert.objects.filter(status=Expert.Status.FAILED).first()
    if failed is not None:
        raise NotClosed(f"The expert {failed} failed: {failed.status_reason}")
    return Expert.objects.eligible().count() == count


def _vote(steward: User, contributions: Sequence[Contribution], say: Say) -> Round:
    """A round with room for all; everybody approves everybody's expert."""
    total = Expert.objects.eligible().aggregate(total=Sum("adapter_bytes"))["total"]
    round_ = decide.round_open(
        steward=steward,
        title="Rehearsal",
        budget_bytes=total,
        quorum=len(contributions),
        closes_at=timezone.now() + VOTE_LASTS,
    )
    everything = list(round_.candidates.values_list("pk", flat=True))
    for contribution in contributions:
        decide.ballot_cast(voter=contribution.owner, round_=round_, approvals=everything)
    say(f"{len(contributions)} ballots cast, budget {total / 2**20:.1f} MiB")
    return round_


def _composed() -> bool:
    done = [Release.Status.LIVE, Release.Status.FAILED]
    return Release.objects.filter(status__in=done).exists()


def _talk(contributions: Sequence[Contribution], say: Say) -> None:
    """Ask the live model one open probe of the first name, over Redis, as the talk page does."""
    number = Release.objects.live().get().number
    probe = contributions[0].priority.probes.filter(part="select").first()
    assert probe is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            events = ask_and_wait(Asked(probe.prompt))
        except NotServed:
            time.sleep(LOOK_EVERY_SECONDS)
            continue
        route = next((event for event in events if event["kind"] == "route"), None)
        if route is not None and route["release"] == number and events[-1]["kind"] == "done":
            text = "".join(event["text"] for event in events if event["kind"] == "token")
            owed = [one["expert"] for one in events[-1]["credit"]]
            who = " and ".join(one["name"] if one else "the base" for one in owed)
            say(f"asked “{probe.prompt}”: {who} answered “{text}”")
            return
        time.sleep(LOOK_EVERY_SECONDS)
    raise NotClosed("The live release did not answer.")


def _wait(what: str, done: Callable[[], bool], say: Say) -> None:
    """Wait for the workers, and say what they are at whenever that changes."""
    said = ""
    began = time.monotonic()
    while not done():
        line = _working()
        if line and line != said:
            say(line)
            said = line
        time.sleep(LOOK_EVERY_SECONDS)
    say(f"waited {time.monotonic() - began:.0f} s for {what}")


def _working() -> str:
    """Who trains or composes now, and at what, without numbers that change all the time."""
    running = Job.objects.filter(status=Job.Status.RUNNING).select_related("expert", "release")
    return ", ".join(
        f"{job.expert or job.release}: {job.progress.get('phase', 'starting')}"
        for job in running.order_by("id")
    )
