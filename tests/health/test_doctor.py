"""What doctor says of each thing that is broken."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import redis
import time_machine
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from contributions.actions import base_register
from contributions.models import DatasetVersion
from governance.models import Decision
from mosaic_site import health, heartbeats
from mosaic_site.health import Severity, broker
from mosaic_site.ledger.chain import end_holds, verify
from mosaic_site.ledger.models import Entry
from mosaic_site.notices.models import Notice
from mosaic_site.supervisor.stack import REPOSITORY
from tests.factories import make_dataset, make_eligible_expert, make_user
from tests.notices.makers import make_notice
from tests.training_workers.makers import (
    begin,
    make_job,
    make_live_release,
    provisional_round,
    register_pocket,
)
from training_workers import actions
from training_workers.engine.base_facts import POCKET, describe_base
from training_workers.models import Job
from training_workers.serving.wire import ALIVE

pytestmark = pytest.mark.django_db

Look = Callable[[str], list[health.Finding]]
LONG_AGO = timedelta(hours=1)


@pytest.fixture
def look() -> Look:
    """What is not well, by the name of the check."""

    def found(check: str) -> list[health.Finding]:
        every = [one for one in health.examine(slow=True) if one.check == check]
        assert every  # it was looked at
        wrong = [one for one in every if one.severity != Severity.OK]
        assert all(one.why and one.remedy for one in wrong)
        return wrong

    return found


def said(findings: list[health.Finding], severity: Severity) -> str:
    [finding] = findings
    assert finding.severity == severity
    return finding.what


@pytest.fixture
def all_alive(line: "redis.Redis") -> "redis.Redis":
    """A Redis in which beat, the workers and a serving process have said that they live."""
    heartbeats.say(heartbeats.BEAT, "here:1")
    for queue in ("default", "checks", "gpu"):
        heartbeats.say(heartbeats.WORKER, f"worker-{queue}@here", queues=[queue, "machines"])
    line.set(ALIVE, "1")
    return line


def test_a_site_that_is_well(all_alive: "redis.Redis") -> None:
    register_pocket()
    out = StringIO()
    call_command("doctor", "--full", stdout=out)
    # The test database is no WAL, which is not what this is about.
    assert " ERROR" not in out.getvalue()
    found = {one.check: one.severity for one in health.examine(slow=True)}
    assert {name for name, severity in found.items() if severity != "ok"} <= {"database"}


def doctor(**env: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The real command in a process of its own: its exit status and its findings, the worst of
    each check."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=REPOSITORY,
        env=inherited | env,
        capture_output=True,
        text=True,
        check=False,
    )
    findings = json.loads(done.stdout)
    order = list(Severity)
    findings.sort(key=lambda one: order.index(one["severity"]))
    return done.returncode, {one["check"]: one for one in findings}


def test_without_a_database_and_redis_it_says_so_and_what_else_it_can() -> None:
    status, found = doctor(
        DJANGO_SETTINGS_MODULE="mosaic_site.settings.production",
        SECRET_KEY="short",
        ALLOWED_HOSTS="mosaic.example",
        DATABASE_URL="postgres://mosaic@127.0.0.1:1/mosaic",
        REDIS_URL="redis://127.0.0.1:1/0",
        MOSAIC_URL="https://mosaic.example",
        EMAIL_URL="smtp://127.0.0.1:1",
    )
    assert status == 1
    for check in ("database", "redis", "mail"):
        assert found[check]["severity"] == "error"
    assert found["database"]["what"].startswith("The database does not answer: connection failed")
    assert "DATABASE_URL" in found["database"]["remedy"]
    assert "security.W009" in found["settings"]["what"]  # the secret key
    assert found["storage"]["severity"] == "ok"
    assert not found.keys() & {"migrations", "ledger", "jobs", "workers", "beat", "serving"}


def test_an_empty_database_is_to_be_migrated(tmp_path: Path) -> None:
    status, found = doctor(
        DJANGO_SETTINGS_MODULE="mosaic_site.settings.local", MOSAIC_HOME=str(tmp_path)
    )
    assert status == 1
    assert "migrations are not applied" in found["migrations"]["what"]
    assert found["migrations"]["remedy"] == "Run `manage.py migrate`."
    assert found["database"]["severity"] == "ok"


def test_a_redis_that_throws_things_away(line: "redis.Redis", look: Look) -> None:
    assert not look("redis")
    line.config_set("maxmemory", "100mb")
    line.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "throws things away" in said(look("redis"), Severity.WARNING)
    finally:
        line.config_set("maxmemory", "0")
        line.config_set("maxmemory-policy", "noeviction")


def test_a_queue_on_which_nobody_works(line: "redis.Redis", look: Look) -> None:
    assert len(look("workers")) == len(broker.queues())
    listened_to = sorted(broker.queues() - {"gpu"})
    heartbeats.say(heartbeats.WORKER, "worker-default@here", queues=listened_to)
    assert said(look("workers"), Severity.ERROR) == "Nobody works on the queue gpu."


def test_a_beat_that_does_not_tick_and_one_too_many(line: "redis.Redis", look: Look) -> None:
    assert said(look("beat"), Severity.ERROR) == "Beat does not tick."
    heartbeats.say(heartbeats.BEAT, "here:1")
    assert not look("beat")
    heartbeats.say(heartbeats.BEAT, "there:2")
    assert said(look("beat"), Severity.WARNING) == "2 beats tick (here:1, there:2)."


def test_nobody_who_serves(line: "redis.Redis", look: Look) -> None:
    assert "No serving process" in said(look("serving"), Severity.ERROR)


def test_a_storage_that_cannot_be_written(look: Look, settings: Settings, tmp_path: Path) -> None:
    assert not look("storage")
    (tmp_path / "file").touch()
    settings.MEDIA_ROOT = tmp_path / "file"
    assert "could not be stored" in said(look("storage"), Severity.ERROR)


def test_a_mail_server_that_is_away_and_mails_that_go_nowhere(
    look: Look, settings: Settings
) -> None:
    assert not look("mail")
    settings.ALLOWED_HOSTS = ["mosaic.example"]
    assert "Mails go nowhere" in said(look("mail"), Severity.WARNING)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert "127.0.0.1:1 does not take mails" in said(look("mail"), Severity.ERROR)


def test_settings_that_are_left_open(look: Look, settings: Settings) -> None:
    assert not look("settings")
    settings.DEBUG = True
    assert said(look("settings"), Severity.ERROR) == "DEBUG is on."
    settings.ALLOWED_HOSTS = ["*"]
    told = " ".join(one.what for one in look("settings"))
    for part in ("DEBUG", "every host name", "demo community", "security.W009", "security.W012"):
        assert part in told


def test_a_ledger_that_was_changed(look: Look) -> None:
    steward = make_user(steward=True)
    make_job(make_user(), steward)
    assert not look("ledger")
    Entry.objects.filter(sequence=1).update(reason="Nobody said this.")
    assert end_holds(newest=2)
    assert verify().broken == 1
    assert "the end of the ledger" in said(look("ledger"), Severity.ERROR).lower()


def test_entries_that_were_cut_off_the_end(look: Look) -> None:
    make_job(make_user(), make_user(steward=True))
    newest = Entry.objects.first()
    assert newest is not None
    Entry.objects.filter(sequence=newest.sequence).delete()
    assert look("ledger")


def test_mails_that_are_not_taken(look: Look) -> None:
    make_notice(make_user())
    assert not look("deliveries")
    Notice.objects.update(mail_tried_at=timezone.now() - LONG_AGO)
    assert said(look("deliveries"), Severity.WARNING).startswith("1 mails could not be delivered")


def test_a_dataset_that_waits_too_long(look: Look) -> None:
    version = make_dataset(make_user()).versions.get()
    assert not look("datasets")
    waiting = {"status": DatasetVersion.Status.RECEIVED, "received_at": timezone.now() - LONG_AGO}
    DatasetVersion.objects.filter(pk=version.pk).update(**waiting)
    assert "1 dataset versions have waited" in said(look("datasets"), Severity.ERROR)


def test_a_round_that_nobody_closes_and_counts_that_differ(look: Look) -> None:
    steward = make_user(steward=True)
    with time_machine.travel(timezone.now() - LONG_AGO):
        round_ = provisional_round(steward, [make_eligible_expert(make_user(), steward)])
    assert not look("rounds") and not look("counts")
    Decision.objects.update(recount=[])
    assert f"audit_round {round_.pk}" in look("counts")[0].remedy
    type(round_).objects.filter(pk=round_.pk).update(status="open")
    assert "is open still" in said(look("rounds"), Severity.ERROR)


def test_no_base_and_one_that_was_changed(look: Look, tmp_path: Path) -> None:
    assert "register_base" in look("base")[0].remedy
    folder = tmp_path / "pocket"
    shutil.copytree(POCKET, folder)
    facts = describe_base(str(folder))
    base_register(
        name="pocket", source=str(folder), revision="", sha256=facts.sha256,
        parameters=facts.parameters, context_length=facts.context_length, licence="",
        activate=True,
    )  # fmt: skip
    assert not look("base") and not look("base files")
    with (folder / "tokenizer.json").open("a") as file:
        file.write("\n")
    assert "is not what was registered" in said(look("base files"), Severity.ERROR)
    shutil.rmtree(folder)
    assert look("base files")[0].severity == Severity.ERROR


def test_jobs_that_are_stuck_and_that_failed(look: Look) -> None:
    owner, steward = make_user(), make_user(steward=True)
    job = make_job(owner, steward)
    assert not look("jobs")
    Job.objects.update(created_at=timezone.now() - LONG_AGO)
    assert "1 jobs wait, and none is worked on" in said(look("jobs"), Severity.ERROR)
    taken = begin(job)
    Job.objects.update(heartbeat_at=timezone.now() - LONG_AGO)
    assert "1 jobs run that nobody works on" in said(look("jobs"), Severity.ERROR)
    actions.job_fail(job=taken, reason="The loss is no longer a number.")
    assert "The loss is no longer a number." in said(look("jobs"), Severity.WARNING)


def test_a_live_release_whose_files_are_gone(look: Look) -> None:
    assert not look("releases")
    make_live_release(make_user(), make_user(steward=True))
    assert "folders of release 1 are gone" in said(look("releases"), Severity.ERROR)


def test_every_check_stands_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
    names = [check.name for check in health.checks()]
    assert len(names) > 10
    assert not [name for name in names if f"\n## {name}\n" not in text]


def test_the_operator_is_told_why_and_what_to_do() -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)
    assert ended.value.code == 1
    told = out.getvalue()
    assert "ERROR   redis: Redis does not answer" in told
    assert "        Why it matters: Nothing is trained" in told
    assert "        What to do: Start it, and see that REDIS_URL" in told
    assert "docs/troubleshooting.md says more." in told
