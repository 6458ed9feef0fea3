"""A site on PostgreSQL whose database crashes and comes back."""

import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from mosaic_site.bench.postgresql import SOCKET
from mosaic_site.supervisor import Stack
from mosaic_site.supervisor.machine import free_port
from tests.site import cast
from tests.site.stack import Person, act, eventually

pytestmark = pytest.mark.slow

BRIEF, ENDLESS = 2, 1000


class Database:
    """A PostgreSQL server that can crash and be started again."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at import, where the system sets no XDG_RUNTIME_DIR
            from pgserver.postgres_server import get_server

        self._server = get_server(folder, cleanup_mode="delete")
        self.socket = str(self._server.get_postmaster_info().socket_dir)

    def crash(self) -> None:
        """No connection is closed in order, and the next start recovers from its log."""
        from pgserver import pg_ctl  # type: ignore[attr-defined]  # made at import

        at = {"pgdata": self._server.pgdata, "user": self._server.system_user}
        pg_ctl(["-m", "immediate", "-w", "stop"], **at)

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        address = f"host={self.socket} user=postgres dbname=postgres"
        with closing(psycopg.connect(address, row_factory=dict_row)) as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    running = Database(tmp_path_factory.mktemp("postgresql"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, database: Database) -> Iterator[Stack]:
    site = Stack(
        tmp_path_factory.mktemp("site"),
        port=free_port(),
        env={
            SOCKET: database.socket,
            "DJANGO_SETTINGS_MODULE": "mosaic_site.bench.on_postgresql",
            "MOSAIC_DEMO": "1",
            "MOSAIC_CLOCK": "database",
            "MOSAIC_HEARTBEAT_TIMEOUT_SECONDS": "5",
        },
    )
    with site:
        site.manage("register_base")
        act(site, cast.settle)
        checked = "SELECT 1 FROM contributions_datasetversion WHERE status = 'valid'"
        eventually("the dataset is checked", lambda: database.rows(checked))
        yield site


def test_everything_goes_on_after_postgresql_crashed(stack: Stack, database: Database) -> None:
    owner, visitor = Person(stack, cast.OWNER), Person(stack)
    visitor.ask_until_answered(cast.ball(1)[0])
    expert = act(stack, cast.approve, passes=ENDLESS)

    def job() -> dict[str, Any]:
        query = "SELECT * FROM training_workers_job WHERE expert_id = %s ORDER BY id DESC LIMIT 1"
        return next(iter(database.rows(query, expert)), {"status": "", "progress": {}})

    def step() -> int:
        taken: int = job()["progress"].get("step", 0)
        return taken if job()["progress"].get("phase") == "training" else 0

    before = eventually("the expert trains", step)
    pids = stack.pids
    database.crash()
    database.start()
    eventually("pages are answered", lambda: owner.get("/experts/")[0] == 200)
    eventually("the training goes on", lambda: step() > before)
    owner.post(f"/jobs/{job()['id']}/cancel/")
    eventually("it stops when asked", lambda: job()["status"] == "cancelled")

    expert = act(stack, cast.approve, passes=BRIEF)
    eventually("another one is trained", lambda: job()["status"] == "done")
    visitor.ask_until_answered(cast.ball(2)[0])
    assert stack.pids == pids  # nobody had to be started again
    assert "chain intact" in stack.manage("verify_ledger")
    assert "All is well." in stack.manage("doctor")
