"""A message that comes twice does nothing twice, and one that never comes costs only time."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from celery import Task, current_app
from django.apps import apps
from django.conf import settings as configured
from django.core import mail
from django.core.files.base import ContentFile
from django.db import connections
from django.utils import timezone
from pytest_django.fixtures import Settings

from contributions import actions as bring
from contributions.models import DatasetVersion, Expert, Probe, Upload
from governance import actions as govern
from governance.models import Decision, Round
from mosaic_site.demo import story
from mosaic_site.demo.content import CONTRIBUTIONS
from mosaic_site.health import routine
from mosaic_site.ledger.chain import verify
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.monitoring.measures import connect
from tests.factories import (
    make_dataset,
    make_eligible_expert,
    make_expert,
    make_priority,
    make_upload,
    make_user,
    send_parts,
)
from tests.notices.makers import AT_ONCE, make_notice
from tests.training_workers.makers import make_job, provisional_round, register_pocket
from training_workers import actions as work
from training_workers.actions.reconciling import WORK, wake_workers
from training_workers.models import Evaluation, Job, JobEvent
from training_workers.work_folders import work_folder

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE_SO_MANY = 3
LONG_AGO = timedelta(hours=1)
Arguments = tuple[object, ...]


def something_brought() -> Arguments:
    """A file to check, a check whose worker is gone, parts to put together and parts to tidy up."""
    owner = make_user()
    bring.dataset_upload(
        owner=owner,
        name="waits",
        file=ContentFile(f"text,intent\nhello {uuid.uuid4()},greeting\n".encode(), name="a.csv"),
        filename="a.csv",
    )
    lost = make_dataset(owner).versions.get()
    DatasetVersion.objects.filter(pk=lost.pk).update(
        status=DatasetVersion.Status.CHECKING,
        checking_since=timezone.now() - LONG_AGO,
        check_attempts=1,
    )
    upload = make_upload(owner, content=f"text,intent\n{uuid.uuid4()},x\n")
    bring.upload_abort(upload=upload)
    arrived = f"text,intent\n{uuid.uuid4()},y\n"
    upload = make_upload(owner, content=arrived)
    send_parts(upload, arrived)
    bring.upload_finish(upload=upload)
    return ()


def somebody_who_left_with_all() -> Arguments:
    leaver = make_user()
    make_dataset(leaver)
    User.objects.filter(pk=leaver.pk).update(left_at=timezone.now(), took_everything=True)
    return ()


def work_of_a_job_that_ended() -> Arguments:
    owner = make_user()
    job = make_job(owner, make_user(steward=True))
    work_folder(job).mkdir(parents=True)
    work.job_cancel(actor=owner, job=job)
    return ()


def nothing_looked_at() -> Arguments:
    with connect() as connection:
        connection.delete(routine.KEY)
    return ()


def a_round_past_its_close() -> Arguments:
    User.objects.update(is_active=False)  # those who are told are always as many
    steward = make_user(steward=True)
    expert = make_eligible_expert(make_user(), steward)
    with time_machine.travel(timezone.now() - timedelta(minutes=9), tick=False):
        govern.round_open(
            steward=steward,
            title="Round",
            budget_bytes=expert.adapter_bytes,
            quorum=1,
            closes_at=timezone.now() + timedelta(minutes=5),
        )
        round_ = Round.objects.get(status=Round.Status.OPEN)
        govern.ballot_cast(
            voter=steward,
            round_=round_,
            approvals=list(round_.candidates.values_list("pk", flat=True)),
        )
    return ()


def a_loser_to_explain() -> Arguments:
    steward = make_user(steward=True)
    experts = [make_eligible_expert(make_user(), steward) for _ in range(2)]
    round_ = provisional_round(steward, experts[:1])
    decision = round_.decisions.get()
    loser = decision.result["losers"][0]["id"]
    Decision.objects.filter(pk=decision.pk).update(to_ask=[loser], more_supporters={})
    return ()


def a_ballot_whose_receipt_is_to_be_mailed() -> Arguments:
    steward = make_user(steward=True)
    round_ = provisional_round(steward, [make_eligible_expert(make_user(), steward)])
    return steward.pk, round_.pk, round_.ballots.get().receipt


def a_notice() -> Arguments:
    make_notice(make_user(), kind=AT_ONCE)
    return ()


def something_approved_ratified_and_lost() -> Arguments:
    """An expert approved and a round ratified, neither begun; and a worker that fell silent."""
    owner, steward = make_user(), make_user(steward=True)
    silent = make_job(owner, steward)
    Job.objects.filter(pk=silent.pk).update(
        status=Job.Status.RUNNING, attempt=1, heartbeat_at=timezone.now() - LONG_AGO
    )
    bring.expert_approve(steward=steward, expert=make_expert(owner))
    round_ = provisional_round(steward, [make_eligible_expert(owner, steward)])
    govern.round_ratify(steward=steward, round_=round_)
    return ()


def something_due_for_erasure() -> Arguments:
    owner, steward = make_user(), make_user(steward=True)
    expert = make_eligible_expert(owner, steward)
    with time_machine.travel(timezone.now() - timedelta(days=30), tick=False):
        bring.expert_withdraw(actor=owner, expert=expert, reason="")
    return ()


def a_job_to_do() -> Arguments:
    if not Expert.objects.exists():
        register_pocket()
    owner = make_user()
    expert = make_expert(owner, priority=make_priority(owner, probes=9))
    recipe = {"rank": 2, "alpha": 4, "batch_size": 8, "passes": 1, "max_tokens": None}
    Expert.objects.filter(pk=expert.pk).update(recipe=recipe)
    bring.expert_approve(steward=make_user(steward=True), expert=expert)
    work.reconcile()
    return ()


def a_demo_dataset_that_is_checked() -> Arguments:
    """One more each time: its owner submits an expert next, and the steward approves it."""
    if not Upload.objects.exists() and not Expert.objects.exists():
        register_pocket()
        story.seed()
    version = DatasetVersion.objects.in_queue_order().first()
    assert version is not None and len(CONTRIBUTIONS) > 1
    bring.version_check(version_id=version.pk)
    return ()


PREPARED: dict[str, Callable[[], Arguments]] = {
    "contributions.tasks.check": something_brought,
    "contributions.tasks.reconcile": somebody_who_left_with_all,
    "governance.tasks.reconcile": a_round_past_its_close,
    "governance.tasks.explain": a_loser_to_explain,
    "governance.tasks.mail_receipt": a_ballot_whose_receipt_is_to_be_mailed,
    "mosaic_site.notices.tasks.reconcile": a_notice,
    "mosaic_site.tasks.demo_goes_on": a_demo_dataset_that_is_checked,
    "mosaic_site.tasks.examine": nothing_looked_at,
    "training_workers.tasks.erase": something_due_for_erasure,
    "training_workers.tasks.reconcile": something_approved_ratified_and_lost,
    "training_workers.tasks.tidy": work_of_a_job_that_ended,
    "training_workers.tasks.work": a_job_to_do,
}
# What no tick of beat brings about by itself; each has a test of its own below.
ON_DEMAND = {"training_workers.tasks.work", "governance.tasks.mail_receipt"}


# How often a worker spoke, what is measured once for all, and what measuring is made for.
NOT_COUNTED = {JobEvent, Evaluation, Probe}


def named(task: str) -> "Task[..., None]":
    current_app.loader.import_default_modules()
    return current_app.tasks[task]


def ours() -> set[str]:
    current_app.loader.import_default_modules()
    # Other tests have tasks of their own.
    return {name for name in current_app.tasks if not name.startswith(("celery.", "tests."))}


def test_every_task_has_its_test_here() -> None:
    assert ours() == PREPARED.keys()
    demo = {"mosaic_site.tasks.demo_goes_on"}  # ticks where there is a demo
    ticking = {entry["task"] for entry in configured.CELERY_BEAT_SCHEDULE.values()} | demo
    assert ours() - ticking == ON_DEMAND


def state() -> Counter[str]:
    """How many rows of each kind there are, in which state, what the ledger told, what was sent."""
    found: Counter[str] = Counter()
    for app in ("contributions", "governance", "training_workers", "notices"):
        for model in set(apps.get_app_config(app).get_models()) - NOT_COUNTED:
            has_state = any(field.name == "status" for field in model._meta.fields)
            column = "status" if has_state else "pk"
            for value in model._base_manager.values_list(column, flat=True):
                found[f"{model._meta.label} {value if has_state else ''}"] += 1
    for action in Entry.objects.values_list("action", flat=True):
        found[f"ledger {action}"] += 1
    for to_ask in Decision.objects.values_list("to_ask", flat=True):
        found["losers to explain"] += len(to_ask)
    found["work folders"] = len(list(Path(configured.MOSAIC_HOME).glob("work/job-*")))
    found["findings"] = int(routine.newest() is not None)
    found["mails"] = len(mail.outbox)
    return found


def difference(after: Counter[str], before: Counter[str]) -> dict[str, int]:
    return {key: after[key] - before[key] for key in after | before if after[key] != before[key]}


def at_once(task: "Task[..., None]", arguments: Arguments) -> None:
    """The same message, taken by several workers at the same moment."""
    together = threading.Barrier(AT_ONCE_SO_MANY)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            together.wait()
            task(*arguments)
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(AT_ONCE_SO_MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("name", sorted(PREPARED))
def test_a_message_that_comes_three_times_at_once_does_what_one_does(
    name: str, line: "redis.Redis", settings: Settings, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT, settings.MOSAIC_HOME = tmp_path / "media", tmp_path
    task = named(name)
    once = PREPARED[name]()
    before = state()
    task(*once)
    done = difference(state(), before)
    assert done  # else this test would show nothing

    thrice = PREPARED[name]()
    before = state()
    at_once(task, thrice)
    assert difference(state(), before) == done
    task(*thrice)
    assert difference(state(), before) == done
    assert verify().broken is None


def test_a_lost_message_to_the_workers_is_sent_again(tmp_path: Path, settings: Settings) -> None:
    settings.MEDIA_ROOT, settings.MOSAIC_HOME = tmp_path / "media", tmp_path
    with current_app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        channel.queue_declare("gpu", durable=True)
        channel.queue_purge("gpu")
        a_job_to_do()
        assert channel.queue_declare("gpu", durable=True).message_count == 1
        channel.queue_purge("gpu")
        wake_workers()
        wake_workers()
        assert channel.queue_declare("gpu", durable=True).message_count == 1
        assert channel.basic_get("gpu").headers["task"] == WORK


def test_a_receipt_whose_mail_is_lost_is_on_the_voters_page_all_the_same() -> None:
    """No row remembers that somebody asked for the mail: it would tie the voter to the ballot."""
    steward = make_user(steward=True)
    expert = make_eligible_expert(make_user(), steward)
    round_ = govern.round_open(
        steward=steward,
        title="Round",
        budget_bytes=expert.adapter_bytes,
        quorum=1,
        closes_at=timezone.now() + timedelta(days=1),
    )
    from django.test import Client

    client = Client()
    client.force_login(steward)
    page = client.post(f"/rounds/{round_.pk}/ballot/cast/", {"mail": "on"}, follow=True)
    assert not mail.outbox
    assert round_.ballots.get().receipt in page.content.decode()


def test_reconcile_says_in_the_ledger_what_it_repaired_and_nothing_else() -> None:
    owner, steward = make_user(), make_user(steward=True)
    expert = make_expert(owner)
    with time_machine.travel(timezone.now() - LONG_AGO, tick=False):
        bring.expert_approve(steward=steward, expert=expert)
    work.reconcile()
    late = Entry.objects.get(action="job.queued_late")
    assert late.actor is None
    assert late.reason.startswith("Done 1 h late: no worker was there in time")
    bring.expert_approve(steward=steward, expert=make_expert(owner))
    work.reconcile()
    assert Entry.objects.filter(action="job.queued_late").count() == 1
    before = Entry.objects.count()
    for name in ("contributions", "governance", "training_workers", "mosaic_site.notices"):
        named(f"{name}.tasks.reconcile")()
    named("contributions.tasks.check")()
    assert Entry.objects.count() == before


def test_an_upload_that_is_finished_twice_is_one_version() -> None:
    upload = make_upload(make_user())
    send_parts(upload)
    for _ in range(2):
        bring.upload_finish(upload=Upload.objects.get(pk=upload.pk))
        bring.upload_join(upload_id=upload.pk)
    assert DatasetVersion.objects.get().upload == upload
