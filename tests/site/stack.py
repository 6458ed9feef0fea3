"""What a test does with a running site: act inside it, read its rows, and use its pages."""

import http.client
import http.cookiejar
import json
import os
import signal
import sqlite3
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from mosaic_site.supervisor import Stack

T = TypeVar("T")

ANSWERED = "Why this answer came from here"  # on the talk page, where an answer came to its end
PASSWORD = "a long enough password"  # of everybody that `tests.factories` makes


def eventually(
    what: str, look: Callable[[], T | None], every: float = 0.1, seconds: float = 300.0
) -> T:
    """The first thing that `look` finds and that counts as true, looking `every` so many seconds.

    Fails the test after `seconds`, which says that it never happened, not that it was slow.
    """
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(every)
    return found


def act(stack: Stack, verb: Callable[..., T], **arguments: Any) -> T:
    """Call a function of an importable module inside the site, with what JSON can carry."""
    program = (
        f"import json; from {verb.__module__} import {verb.__name__} as verb; "
        f"print(json.dumps(verb(**json.loads({json.dumps(arguments)!r}))))"
    )
    said = stack.manage("shell", "--no-imports", "--verbosity", "0", "--command", program)
    result: T = json.loads(said)
    return result


def rows(stack: Stack, query: str, *values: Any) -> list[sqlite3.Row]:
    """What the site's database says at this moment."""
    address = f"file:{stack.home / 'db.sqlite3'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(query, values).fetchall()


def restart(stack: Stack, name: str) -> None:
    """Kill a service and wait until the supervisor has started it again."""
    before = stack.pids[name]
    stack.kill(name)
    eventually(f"{name} starts again", lambda: stack.pids.get(name, before) != before)


def hang(stack: Stack, name: str) -> int:
    """Halt a service and all its children. Returns their process group, for SIGCONT."""
    group = stack.pids[name]
    while True:
        os.killpg(group, signal.SIGSTOP)
        if _writable(stack):
            return group
        # Halted in the middle of a write, it would hold up everybody who shares the SQLite file.
        os.killpg(group, signal.SIGCONT)


def _writable(stack: Stack) -> bool:
    with closing(sqlite3.connect(stack.home / "db.sqlite3", timeout=2)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.rollback()
    return True


@dataclass(frozen=True)
class JobNow:
    """A job as its row says; `worker` is the service that does it or did it last."""

    pk: int
    status: str
    attempt: int
    reason: str
    worker: str
    phase: str
    step: int


def newest_job(stack: Stack, *, expert: int = 0, release: int = 0) -> JobNow | None:
    """The newest job of an expert or a release; None while it has none."""
    query = (
        "SELECT * FROM training_workers_job WHERE expert_id = ? OR release_id = ? "
        "ORDER BY id DESC LIMIT 1"
    )
    for row in rows(stack, query, expert, release):
        progress = json.loads(row["progress"])
        return JobNow(
            pk=row["id"],
            status=row["status"],
            attempt=row["attempt"],
            reason=row["reason"],
            worker=_service(stack, row["worker"]),
            phase=progress.get("phase", ""),
            step=progress.get("step", 0),
        )
    return None


def _service(stack: Stack, worker: str) -> str:
    """The service that the process `host:pid` belongs to; empty where it is gone."""
    try:
        group = os.getpgid(int(worker.rpartition(":")[2]))
    except (ValueError, ProcessLookupError):
        return ""
    return next((name for name, pid in stack.pids.items() if pid == group), "")


def at_work(stack: Stack, phase: str, attempt: int = 1, **subject: int) -> JobNow:
    """Wait until the job of `subject` says that its attempt number `attempt` is in `phase`."""

    def look() -> JobNow | None:
        job = newest_job(stack, **subject)
        here = job and (job.status, job.attempt, job.phase) == ("running", attempt, phase)
        return job if here else None

    return eventually(f"{phase}, attempt {attempt}", look)


def in_training(stack: Stack, expert: int, attempt: int = 1) -> JobNow:
    """Wait until the expert's job takes steps in its attempt number `attempt`."""
    return at_work(stack, "training", attempt, expert=expert)


def ended(stack: Stack, **subject: int) -> JobNow:
    """Wait until the newest job of `subject` has come to an end, whichever."""

    def look() -> JobNow | None:
        job = newest_job(stack, **subject)
        return job if job and job.status in {"done", "failed", "cancelled"} else None

    return eventually("the job ends", look)


def events(stack: Stack, job: int) -> list[tuple[str, dict[str, object]]]:
    """Kind and data of what happened in a job, in order."""
    query = "SELECT kind, data FROM training_workers_jobevent WHERE job_id = ? ORDER BY sequence"
    return [(row["kind"], json.loads(row["data"])) for row in rows(stack, query, job)]


def expert_status(stack: Stack, expert: int) -> tuple[str, str]:
    """An expert's state and the reason for it."""
    query = "SELECT status, status_reason FROM contributions_expert WHERE id = ?"
    [row] = rows(stack, query, expert)
    return row["status"], row["status_reason"]


class Person:
    """Somebody with a browser that knows cookies and forms, and no JavaScript."""

    def __init__(self, stack: Stack, name: str = "") -> None:
        self._stack = stack
        # As a browser holds them behind a proxy that speaks HTTPS, which no test has.
        policy = http.cookiejar.DefaultCookiePolicy(secure_protocols=("http", "https"))
        self._cookies = http.cookiejar.CookieJar(policy)
        keeper = urllib.request.HTTPCookieProcessor(self._cookies)
        self._opener = urllib.request.build_opener(keeper)
        if name:
            self.get("/account/login/")
            self.post("/account/login/", login=name, password=PASSWORD)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page; status 0 where nobody answers."""
        return self._open(urllib.request.Request(self._stack.url + path))

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        """Send a form and follow where it leads."""
        token = next((one.value for one in self._cookies if one.name == "csrftoken"), "")
        form = urllib.parse.urlencode({**fields, "csrfmiddlewaretoken": token or ""})
        return self._open(urllib.request.Request(self._stack.url + path, form.encode()))

    def api(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """What the page's script would send, and the JSON that comes back."""
        request = urllib.request.Request(
            self._stack.url + path, body, self._api_headers() | dict(headers or {}), method=method
        )
        status, text = self._open(request)
        return status, json.loads(text) if text else {}

    def half(
        self, path: str, body: bytes, headers: Mapping[str, str]
    ) -> http.client.HTTPConnection:
        """A PUT of which only the first half has been sent, and waits for the rest."""
        connection = http.client.HTTPConnection("127.0.0.1", self._stack.port, timeout=90)
        connection.putrequest("PUT", path)
        cookies = "; ".join(f"{one.name}={one.value}" for one in self._cookies)
        sent = self._api_headers() | {"Cookie": cookies, "Content-Length": str(len(body))}
        for name, value in (sent | dict(headers)).items():
            connection.putheader(name, value)
        connection.endheaders(body[: len(body) // 2])
        return connection

    def _api_headers(self) -> dict[str, str]:
        token = next((one.value for one in self._cookies if one.name == "csrftoken"), "")
        return {"X-CSRFToken": token or "", "Referer": self._stack.url + "/"}

    def ask(self, question: str) -> str:
        """The talk page with the answer, or with why there is none."""
        self.get("/talk/")
        return self.post("/talk/", prompt=question)[1]

    def ask_until_answered(self, question: str) -> str:
        """The talk page with the answer, as soon as there is one."""
        # Not too often: the site takes so many questions a minute from one address.
        page = ""

        def answered() -> bool:
            nonlocal page
            page = self.ask(question)
            return ANSWERED in page

        eventually("the model answers", answered, every=2.5)
        return page

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with self._opener.open(request, timeout=90) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""
