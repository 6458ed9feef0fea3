"""The steps of `soak`, each run in a process of its own inside its site. Each returns JSON."""

import itertools
import json
import secrets
import time
from datetime import timedelta
from io import BytesIO

from django.conf import settings
from django.core.files.base import File
from django.test import Client
from django.utils import timezone

from contributions import actions as bring
from contributions.actions import ProbeText
from contributions.models import Base, Dataset, DatasetVersion, Expert, Priority
from governance import actions as decide
from governance import audit
from governance.models import BoxEntry, Round
from mosaic_site.bench.rows import make_rows
from mosaic_site.members.models import User
from mosaic_site.monitoring.tasks import failures
from training_workers.models import Job
from training_workers.serving import client

CANDIDATES, SEED = 12, 7
TRAINS = "Soaked"
SECONDS_TO_SERVE = 180
RECIPE = {"max_tokens": 6_000}


def prepare(members: int) -> str:
    """The people with their cookies, an open round, and rows to train on."""
    steward = User.objects.create_user("steward", "steward@example.org", role=User.Role.STEWARD)
    people = [
        User.objects.create_user(f"member{number}", f"member{number}@example.org")
        for number in range(members)
    ]
    rows = make_rows(300, 36, SEED)
    probes = [ProbeText(row.prompt, row.completion) for row in rows.held_out]
    priority = bring.priority_declare(owner=steward, statement="Answer.", probes=probes)
    _dataset(steward, [(row.prompt, row.completion) for row in rows.train])
    # Nobody composes them: the round is open for longer than this lasts.
    Expert.objects.bulk_create(
        Expert(
            owner=steward, name=f"Candidate {number}", purpose="Stands.", priority=priority,
            base=Base.objects.get(active=True), status=Expert.Status.ELIGIBLE,
            submitted_at=timezone.now(), adapter_sha256=f"{number:064d}", adapter_bytes=2**20,
        )
        for number in range(CANDIDATES)
    )  # fmt: skip
    round_ = decide.round_open(
        steward=steward,
        title="Soak",
        budget_bytes=CANDIDATES * 2**19,
        quorum=1,
        closes_at=timezone.now() + timedelta(days=7),
    )
    deadline = time.monotonic() + SECONDS_TO_SERVE
    while not client.alive() and time.monotonic() < deadline:
        time.sleep(0.5)
    pages = ["/", "/experts/", "/priorities/", "/rounds/", "/datasets/", "/ledger/", "/talk/"]
    return json.dumps(
        {
            "cookies": {person.username: _cookies(person) for person in people},
            "round": round_.get_absolute_url(),
            "candidates": list(round_.candidates.values_list("pk", flat=True)),
            "pages": [*pages, round_.get_absolute_url()],
        }
    )


def _cookies(person: User) -> dict[str, str]:
    browser = Client()
    browser.force_login(person)
    session = browser.cookies[settings.SESSION_COOKIE_NAME].value
    return {settings.SESSION_COOKIE_NAME: session, "csrftoken": secrets.token_hex(16)}


def _dataset(owner: User, rows: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in rows]
    dataset = bring.dataset_upload(
        owner=owner,
        name="rows",
        file=File(BytesIO("\n".join(lines).encode()), name="rows.jsonl"),
        filename="rows.jsonl",
    )
    bring.dataset_describe(
        dataset=dataset, licence="CC0-1.0", summary="Rows.", origin="Made for this.", limits=""
    )


def submit_if_few_wait() -> int:
    """One more expert to train where fewer than two are under way. Returns how many."""
    steward = User.objects.get(username="steward")
    version = DatasetVersion.objects.get(dataset__owner=steward)
    under_way = Expert.objects.filter(
        name__startswith=TRAINS, status__in=[Expert.Status.APPROVED, Expert.Status.TRAINING]
    ).count()
    if version.status != DatasetVersion.Status.VALID or under_way >= 2:
        return 0
    expert = bring.expert_submit(
        owner=steward,
        name=f"{TRAINS} {Expert.objects.filter(name__startswith=TRAINS).count() + 1}",
        purpose="Trains.",
        priority=Priority.objects.get(),
        versions=[version],
        recipe=RECIPE,
    )
    bring.expert_approve(steward=steward, expert=expert)
    return 1


def settle(seconds: float) -> str:
    """Wait until everything that was begun is done, at most so long; what is there then."""
    deadline = time.monotonic() + seconds
    unchecked = DatasetVersion.objects.exclude(status=DatasetVersion.Status.VALID)
    unfinished = Expert.objects.filter(
        name__startswith=TRAINS, status__in=[Expert.Status.APPROVED, Expert.Status.TRAINING]
    )
    while (unchecked.exists() or unfinished.exists()) and time.monotonic() < deadline:
        time.sleep(1)
    checked = Dataset.objects.filter(versions__status=DatasetVersion.Status.VALID)
    failed_jobs = Job.objects.filter(status=Job.Status.FAILED)
    round_ = Round.objects.get()
    return json.dumps(
        {
            "datasets": list(checked.values_list("name", flat=True)),
            "casts": BoxEntry.objects.filter(round=round_, kind=BoxEntry.Kind.CAST).count(),
            "chain_holds": bool(next(audit.prove(round_))),
            "experts_done": Expert.objects.filter(
                name__startswith=TRAINS, status=Expert.Status.ELIGIBLE
            ).count(),
            "failed": [
                *(f"{job}: {job.reason}" for job in failed_jobs),
                *(f"{one['task']}: {one['exception']}" for one in failures()),
                *(f"{one} is {one.status}" for one in itertools.islice(unchecked, 5)),
            ],
        }
    )
