"""Two machines that share nothing but PostgreSQL, Redis and an S3 server, and the death of one."""

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from psycopg.rows import dict_row

from contributions import actions as bring
from contributions.models import Dataset
from governance import actions as decide
from governance.models import Round
from mosaic_site.bench.postgresql import SOCKET, postgresql
from mosaic_site.members.models import User
from mosaic_site.members.tokens import token_make
from mosaic_site.supervisor import Stack
from mosaic_site.supervisor.machine import free_port
from tests.factories import make_user
from tests.servers import Bucket, object_server, redis_server
from tests.site import cast
from tests.site.stack import ANSWERED, Person, act, eventually

pytestmark = pytest.mark.slow

LONG = 64  # passes: long enough for a checkpoint, which is written every 5 seconds
STEPS_OF_THE_SECOND_ATTEMPT = """
    SELECT (data->>'step')::int AS step FROM training_workers_jobevent
    WHERE data->>'phase' = 'training' AND sequence > (
        SELECT max(sequence) FROM training_workers_jobevent WHERE kind = 'queued'
    ) ORDER BY sequence
"""


@dataclass(frozen=True)
class Machines:
    """Two homes, each with services of its own, and what lies between them."""

    ada: Stack
    ben: Stack
    database: str
    bucket: Bucket

    def rows(self, query: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()

    def job(self, status: str) -> dict[str, Any]:
        """The newest job, as soon as it is in this state."""

        def look() -> dict[str, Any] | None:
            newest = self.rows("SELECT * FROM training_workers_job ORDER BY id DESC LIMIT 1")
            assert not newest or newest[0]["status"] != "failed", newest
            return newest[0] if newest and newest[0]["status"] == status else None

        return eventually(f"a job is {status}", look, seconds=600)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with ExitStack() as cleanup:
        socket = cleanup.enter_context(postgresql())[SOCKET]
        database = f"postgres:///{socket}/postgres"
        env = {
            "DJANGO_SETTINGS_MODULE": "mosaic_site.settings.production",
            "DATABASE_URL": database,
            "PGUSER": "postgres",
            "REDIS_URL": cleanup.enter_context(redis_server(free_port())),
            "MOSAIC_STORAGE": cleanup.enter_context(object_server()),
            **Bucket.key,
            "SECRET_KEY": "".join(random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=60)),
            "ALLOWED_HOSTS": "127.0.0.1",
            "MOSAIC_URL": "https://mosaic.example",
            "EMAIL_URL": "dummymail://",
            "SECURE_SSL_REDIRECT": "0",  # no proxy stands before it
            # Collected once, as into an image.
            "STATIC_ROOT": str(tmp_path_factory.mktemp("static")),
            "MOSAIC_DEMO": "1",  # a steward without a second factor
            "MOSAIC_HEARTBEAT_TIMEOUT_SECONDS": "5",
            "MOSAIC_CHECKPOINT_COPY_SECONDS": "1",
            "MOSAIC_CONTROLS": "monolith",
        }
        homes = [tmp_path_factory.mktemp(name) for name in ("ada", "ben")]
        stacks = [Stack(home, port=free_port(), env=env) for home in homes]
        for home in homes:
            (home / "logs").mkdir()
        stacks[0].manage("collectstatic", "--no-input", "--verbosity", "0")
        stacks[0].manage("migrate", "--no-input", "--verbosity", "0")
        stacks[0].manage("register_base")
        ada, ben = stacks
        for stack in stacks:
            cleanup.callback(stack.stop)
            stack.start_pages()
        address = f"host={socket} user=postgres dbname=postgres"
        yield Machines(ada, ben, address, Bucket(env["MOSAIC_STORAGE"]))


def begin() -> str:
    """The people and a priority. Returns a key with which the owner may bring data."""
    owner, _ = make_user(cast.OWNER), make_user(cast.NEIGHBOUR)
    make_user(cast.STEWARD, steward=True)
    bring.priority_declare(
        owner=owner,
        statement="Know the colours of the balls",
        probes=[bring.ProbeText(*cast.ball(number)) for number in range(100, 109)],
    )
    _, secret = token_make(member=owner, name="Cron", scopes=["datasets:write"], days=1)
    return secret


def describe() -> None:
    bring.dataset_describe(
        dataset=Dataset.objects.get(),
        licence="CC-BY-4.0",
        summary="Balls and their colours.",
        origin="Written for this test.",
        limits="",
    )


def ratify(round_id: int) -> None:
    decide.round_ratify(
        steward=User.objects.get(username=cast.STEWARD), round_=Round.objects.get(pk=round_id)
    )


def upload(site: Stack, token: str, folder: Path) -> None:
    """By the commands in the documentation, in a part."""
    text = (settings.REPOSITORY / "docs/uploads.md").read_text("utf-8")
    [commands] = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = ["prompt,completion", *(",".join(cast.ball(number)) for number in range(48))]
    (folder / "balls.csv").write_text("\n".join(lines))
    names = {"SITE": site.url, "TOKEN": token, "NAME": "balls", "FILE": "balls.csv"}
    done = subprocess.run(
        ["bash", "-e", "-c", commands], cwd=folder, env=os.environ | names, capture_output=True
    )
    assert done.returncode == 0, done


def files_of(machine: Stack) -> set[str]:
    """What lies on a machine, but for its logs and what its services run on."""
    files = {path.relative_to(machine.home) for path in machine.home.rglob("*") if path.is_file()}
    return {path.as_posix() for path in files if path.parts[0] not in {"logs", "run"}}


def die(machine: Stack) -> None:
    """The power goes out."""
    for group in machine.pids.values():
        os.killpg(group, signal.SIGKILL)
    machine.stop()


def test_two_machines_are_one_site(machines: Machines, tmp_path: Path) -> None:
    ada, ben = machines.ada, machines.ben

    # Uploaded on one machine, checked on the other: only there are workers.
    ben.start_workers()
    upload(ada, act(ada, begin), tmp_path)
    checked = "SELECT file FROM contributions_datasetversion WHERE status = 'valid'"
    [version] = eventually("it is checked", lambda: machines.rows(checked), seconds=300)
    assert version["file"] in machines.bucket.names("datasets/")
    assert files_of(ada) == set()
    assert files_of(ben) == {f"cache/{quote(version['file'], safe='')}"}

    # Trained there, until that machine dies; then here, from the copy of its checkpoint.
    act(ada, describe)
    expert = act(ada, cast.approve, passes=LONG)
    job = machines.job("running")
    copied = f"work/job-{job['id']}/"
    eventually("a checkpoint is copied", lambda: machines.bucket.names(copied), seconds=300)
    assert files_of(ada) == set()
    die(ben)
    ada.start_workers()
    assert machines.job("done")["attempt"] == 2
    steps = machines.rows(STEPS_OF_THE_SECOND_ATTEMPT)
    assert 1 < steps[0]["step"] < steps[-1]["step"]
    [made] = machines.rows("SELECT adapter_folder FROM contributions_expert")
    assert f"{made['adapter_folder']}/adapter_model.safetensors" in machines.bucket.names()
    eventually("no copy of it is left", lambda: not machines.bucket.names(copied))

    # Composed by either; both serving processes go over to the release.
    ben.start()
    round_ = act(ada, cast.vote, experts=[expert], seconds=20)
    tallied = "SELECT 1 FROM governance_round WHERE status = 'provisional'"
    eventually("the clock closes the round", lambda: machines.rows(tallied))
    act(ben, ratify, round_id=round_)
    for machine in (ada, ben):
        served(machine)

    # Whichever dies, the other one answers.
    for gone, left in ((ada, ben), (ben, ada)):
        die(gone)
        assert Person(gone).get("/healthz")[0] == 0
        page = Person(left).ask_until_answered(cast.ball(1)[0])
        assert "release 1" in page.partition(ANSWERED)[2]
        gone.start()
        served(gone)
    assert "chain intact" in ben.manage("verify_ledger")


def served(machine: Stack) -> None:
    log = machine.log("serving")
    eventually("it is served", lambda: "serving release 1" in log.read_text(), seconds=600)
