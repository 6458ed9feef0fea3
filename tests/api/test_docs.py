"""What docs/rest.md shows works as it stands there."""

import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from contributions import actions
from contributions.models import Dataset, Expert
from governance import actions as decide
from governance.models import Ballot, Proposal
from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import token_make
from tests.architecture.source import ROOT
from tests.factories import make_eligible_expert, make_user

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 300


def _code(language: str) -> str:
    page = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def ada() -> User:
    return make_user("ada")


@pytest.fixture
def environment(ada: User, live_server: LiveServer) -> dict[str, str]:
    _, secret = token_make(member=ada, name="docs", scopes=Scope.values, days=1)
    return {"SITE": live_server.url, "TOKEN": secret, "PATH": os.environ["PATH"]}


@pytest.fixture
def worker() -> Iterator[None]:
    """Checks whatever comes, as a worker does."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.5):
            actions.reconcile()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join()


def test_the_walk(ada: User, environment: dict[str, str], worker: None, tmp_path: Path) -> None:
    steward = make_user(steward=True)
    candidate = make_eligible_expert(make_user(), steward)
    round_ = decide.round_open(
        steward=steward,
        title="Spring",
        budget_bytes=candidate.adapter_bytes,
        quorum=1,
        closes_at=timezone.now() + timedelta(days=1),
    )
    rows = [f"when is the desk open on day {n},from {n} to 12\n" for n in range(12)]
    (tmp_path / "probes.csv").write_text("prompt,answer\n" + "".join(rows))
    told = [f"is the library open in week {n},{secrets.token_hex(4)}\n" for n in range(12)]
    (tmp_path / "hours.csv").write_text("prompt,answer\n" + "".join(told))

    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", _code("bash")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert '"counts":true' in done.stdout
    assert Ballot.objects.get(round=round_).approvals == {round_.candidates.get().pk}
    assert Expert.objects.get(owner=ada).status == "withdrawn"
    assert Dataset.objects.get(owner=ada).licence == "CC-BY-4.0"


def test_the_python(ada: User, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _code("python")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    proposal = Proposal.objects.get()
    assert proposal.comments.count() == proposal.endorsements.count() == 1
