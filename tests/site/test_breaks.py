"""What happens to a running site when parts of it die, hang, or are told to stop."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Browser, expect
from safetensors import safe_open

from mosaic_site.settings.paths import redis_socket
from mosaic_site.supervisor import Stack
from mosaic_site.supervisor.machine import free_port
from mosaic_site.supervisor.services import service
from mosaic_site.supervisor.stack import REPOSITORY
from tests.site import cast
from tests.site.stack import (
    ANSWERED,
    Person,
    act,
    at_work,
    ended,
    events,
    eventually,
    expert_status,
    hang,
    in_training,
    newest_job,
    restart,
    rows,
)

pytestmark = pytest.mark.slow

BRIEF = 2  # passes over the data: a moment
SHORT = 12  # some seconds
LONG = 64  # long enough for a checkpoint, which is written every 5 seconds
ENDLESS = 1000
ATTEMPTS = 2
NOT_SERVED = "The model is not being served right now"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    try:
        port = free_port()
    except OSError as error:
        pytest.skip(f"no port can be listened on here: {error}")
    site = Stack(
        tmp_path_factory.mktemp("site"),
        port=port,
        env={
            "MOSAIC_DEMO": "1",  # a steward without a second factor
            "MOSAIC_HEARTBEAT_TIMEOUT_SECONDS": "5",
            "MOSAIC_JOB_ATTEMPTS": str(ATTEMPTS),
            "MOSAIC_CONTROLS": "monolith",
        },
        gpu_workers=2,
    )
    with site:
        site.manage("register_base")
        act(site, cast.settle)
        checked = "SELECT 1 FROM contributions_datasetversion WHERE status = 'valid'"
        eventually("the dataset is checked", lambda: rows(site, checked))
        yield site


def test_a_training_whose_worker_is_killed_goes_on_from_its_checkpoint(stack: Stack) -> None:
    expert = act(stack, cast.approve, passes=LONG)
    job = in_training(stack, expert)
    checkpoint = stack.home / "work" / f"job-{job.pk}" / "checkpoint" / "checkpoint.safetensors"
    eventually("a checkpoint is written", checkpoint.exists)
    restart(stack, job.worker)
    with safe_open(checkpoint, framework="pt") as file:
        saved = json.loads(file.metadata()["state"])["step"]

    job = ended(stack, expert=expert)
    assert (job.status, job.attempt) == ("done", 2)
    assert expert_status(stack, expert) == ("eligible", "")
    happened = events(stack, job.pk)
    told = [(kind, data.get("reason")) for kind, data in happened if kind != "progress"]
    [requeued] = [reason for kind, reason in told if kind == "queued"]
    assert [kind for kind, _ in told] == ["running", "queued", "running", "done"]
    assert str(requeued).endswith("fell silent; the job goes on from its checkpoint.")
    second_beginning = [kind for kind, _ in happened].index("queued")
    resumed = [data for _, data in happened[second_beginning:] if data.get("phase") == "training"]
    assert resumed[0]["step"] == saved + 1


def test_all_is_well_with_a_site_that_runs(stack: Stack) -> None:
    # The serving process and the workers take a while to say that they live.
    eventually("nothing is wrong", lambda: not any(act(stack, cast.diagnose).values()))
    assert "All is well." in stack.manage("doctor", "--full")


def test_a_worker_that_is_told_to_stop_gives_its_job_back(stack: Stack) -> None:
    """As a deployment does; however often, it is no failure of the job."""
    expert = act(stack, cast.approve, passes=ENDLESS)
    stops = ATTEMPTS + 1
    for attempt in range(1, stops + 1):
        worker = in_training(stack, expert, attempt).worker
        os.kill(stack.pids[worker], signal.SIGTERM)
    job = in_training(stack, expert, stops + 1)
    Person(stack, cast.OWNER).post(f"/jobs/{job.pk}/cancel/")
    assert ended(stack, expert=expert).status == "cancelled"
    reasons = [str(data["reason"]) for kind, data in events(stack, job.pk) if kind == "queued"]
    assert len(reasons) == stops
    for reason in reasons:
        assert reason.endswith("was stopped; the job goes on from its checkpoint.")


def test_a_training_whose_worker_dies_each_time_fails_with_its_reason(stack: Stack) -> None:
    expert = act(stack, cast.approve, passes=ENDLESS)
    for attempt in range(1, ATTEMPTS + 1):
        stack.kill(in_training(stack, expert, attempt).worker)
    job = ended(stack, expert=expert)
    assert (job.status, job.attempt) == ("failed", ATTEMPTS)
    assert job.reason.startswith(f"The worker stopped without a word {ATTEMPTS} times")
    assert expert_status(stack, expert) == ("failed", job.reason)
    assert job.reason in Person(stack).get(f"/jobs/{job.pk}/")[1]


def test_a_worker_that_hung_finds_its_job_in_other_hands_and_lets_go(stack: Stack) -> None:
    expert = act(stack, cast.approve, passes=ENDLESS)
    first = in_training(stack, expert)
    hung = hang(stack, first.worker)
    second = in_training(stack, expert, attempt=2)
    assert second.worker != first.worker
    os.killpg(hung, signal.SIGCONT)
    # It is free for another job, while the second worker goes on with the first one.
    other = act(stack, cast.approve, passes=BRIEF)
    assert ended(stack, expert=other).status == "done"
    assert newest_job(stack, expert=expert) == in_training(stack, expert, attempt=2)
    Person(stack, cast.OWNER).post(f"/jobs/{second.pk}/cancel/")
    job = ended(stack, expert=expert)
    assert (job.status, job.attempt) == ("cancelled", 2)
    assert [kind for kind, _ in events(stack, job.pk)].count("queued") == 1


def test_redis_may_die_while_an_expert_trains(stack: Stack) -> None:
    expert = act(stack, cast.approve, passes=ENDLESS)
    before = in_training(stack, expert)
    restart(stack, "redis")
    eventually(
        "the training takes further steps",
        lambda: (now := newest_job(stack, expert=expert)) and now.step > before.step,
    )
    Person(stack, cast.OWNER).post(f"/jobs/{before.pk}/cancel/")
    job = ended(stack, expert=expert)
    assert (job.status, job.attempt) == ("cancelled", 1)

    later = act(stack, cast.approve, passes=BRIEF)
    with redis.Redis(unix_socket_path=str(redis_socket(stack.home))) as connection:
        connection.flushall()  # the message that should start it, too
    assert ended(stack, expert=later).status == "done"
    Person(stack).ask_until_answered(cast.ball(1)[0])


def test_two_beats_do_nothing_twice_and_doctor_sees_them(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    second = subprocess.Popen(
        service("beat", tmp_path, 0).command,
        cwd=REPOSITORY,
        env=stack.environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(
            "doctor sees both",
            lambda: any("2 beats tick" in what for what in act(stack, cast.diagnose)["beat"]),
        )
        expert = act(stack, cast.approve, passes=BRIEF)
        assert ended(stack, expert=expert).attempt == 1
    finally:
        second.kill()
        second.wait()
    assert len(rows(stack, "SELECT 1 FROM training_workers_job WHERE expert_id = ?", expert)) == 1
    eventually("doctor sees one", lambda: not act(stack, cast.diagnose)["beat"])


def test_an_upload_goes_on_after_the_web_process_died_in_the_middle_of_a_part(
    stack: Stack,
) -> None:
    owner = Person(stack, cast.OWNER)
    owner.get("/uploads/")
    long = b"this " * 180
    lines = [b"which one is number %d?,%s%d\n" % (n, long, n) for n in range(10_000)]
    whole = b"prompt,completion\n" + b"".join(lines)
    form = urllib.parse.urlencode({"name": "large", "filename": "large.csv", "size": len(whole)})
    status, upload = owner.api("POST", "/api/v1/uploads/", form.encode())
    assert status == 201
    size = upload["part_bytes"]
    parts = {n: whole[(n - 1) * size : n * size] for n in range(1, upload["part_count"] + 1)}
    assert len(parts) > 1

    def digest(number: int) -> dict[str, str]:
        text = base64.b64encode(hashlib.sha256(parts[number]).digest()).decode()
        return {"Content-Digest": f"sha-256=:{text}:", "Content-Type": "text/csv"}

    def send(number: int) -> int:
        return owner.api("PUT", f"{upload['url']}?part={number}", parts[number], digest(number))[0]

    assert send(1) == 200
    line = owner.half(f"{upload['url']}?part=2", parts[2], digest(2))
    restart(stack, "web")
    line.close()
    eventually("pages are answered", lambda: owner.get("/healthz")[0] == 200)
    assert list(owner.api("GET", upload["url"])[1]["parts"]) == ["1"]
    assert [send(number) for number in parts] == [200] * len(parts)
    assert [owner.api("POST", upload["finish"], b"")[0] for _ in range(2)] == [202, 202]
    brought = "SELECT status FROM contributions_datasetversion WHERE sha256 = ?"
    sha256 = hashlib.sha256(whole).hexdigest()

    def checked() -> bool:
        return [row["status"] for row in rows(stack, brought, sha256)] == ["valid"]

    eventually("it is checked", checked)
    folders = stack.home / "media" / "uploads"
    eventually("no part is left", lambda: not any(p.is_file() for p in folders.rglob("*")))


def test_a_killed_web_process_comes_back_and_knows_who_is_signed_in(stack: Stack) -> None:
    owner = Person(stack, cast.OWNER)
    restart(stack, "web")
    eventually("pages are answered", lambda: owner.get("/healthz")[0] == 200)
    status, page = owner.get("/experts/new/")
    assert status == 200
    assert cast.OWNER in page


def test_an_open_page_goes_on_by_itself_after_web_and_redis_died(
    stack: Stack, browser: Browser
) -> None:
    expert = act(stack, cast.approve, passes=ENDLESS)
    job = in_training(stack, expert)
    page = browser.new_page()
    page.goto(f"{stack.url}/jobs/{job.pk}/")
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    for name in ("web", "redis"):
        restart(stack, name)
        reached = at_work(stack, "training", expert=expert).step
        page.wait_for_function(
            """reached => [...document.querySelectorAll("dt")].some(
                term => term.textContent === "Step"
                    && parseInt(term.nextElementSibling.textContent) > reached)""",
            arg=reached,
            timeout=90_000,
        )
    eventually("pages are answered", lambda: Person(stack).get("/healthz")[0] == 200)
    Person(stack, cast.OWNER).post(f"/jobs/{job.pk}/cancel/")
    expect(page.locator(f"#job-{job.pk}-panel")).to_contain_text("Its owner cancelled it.")
    assert loads == []
    page.close()


def test_only_those_concerned_cancel_what_waits_and_what_runs(stack: Stack) -> None:
    first, second, third = (act(stack, cast.approve, passes=ENDLESS, seed=n) for n in range(3))
    for expert in (first, second):
        in_training(stack, expert)
    queued = eventually("the third one waits", lambda: newest_job(stack, expert=third))
    assert queued.status == "queued"
    stranger, owner = Person(stack, cast.NEIGHBOUR), Person(stack, cast.OWNER)
    assert stranger.post(f"/jobs/{queued.pk}/cancel/")[0] == 404

    page = owner.post(f"/jobs/{queued.pk}/cancel/", reason="Wrong file.")[1]
    assert "The job is cancelled." in page
    assert expert_status(stack, third) == ("cancelled", "Wrong file.")

    for expert, person, who in (
        (first, cast.OWNER, "Its owner"),
        (second, cast.STEWARD, "A steward"),
    ):
        job = in_training(stack, expert)
        page = Person(stack, person).post(f"/jobs/{job.pk}/cancel/")[1]
        assert "Asked to stop." in page
        job = ended(stack, expert=expert)
        assert (job.status, job.attempt) == ("cancelled", 1)
        assert expert_status(stack, expert) == ("cancelled", f"{who} cancelled it.")
    page = owner.post(f"/jobs/{job.pk}/cancel/")[1]
    assert "nothing to cancel" in page
    eventually("nothing is left on the disk", lambda: not any((stack.home / "work").iterdir()))


def test_a_site_that_is_stopped_and_started_again_goes_on_where_it_was(stack: Stack) -> None:
    expert = act(stack, cast.approve, passes=ENDLESS)
    owner = Person(stack, cast.OWNER)
    in_training(stack, expert)
    stack.stop()
    assert owner.get("/healthz")[0] == 0
    stack.start()
    job = in_training(stack, expert, attempt=2)
    assert "Asked to stop." in owner.post(f"/jobs/{job.pk}/cancel/")[1]
    assert ended(stack, expert=expert).status == "cancelled"


def test_a_serving_process_that_hangs_is_said_to_be_away_and_a_killed_one_comes_back(
    stack: Stack,
) -> None:
    visitor, steward = Person(stack), Person(stack, cast.STEWARD)
    question = cast.ball(2)[0]
    visitor.ask_until_answered(question)
    hang(stack, "serving")
    eventually("doctor says so", lambda: act(stack, cast.diagnose)["serving"])
    eventually("the desk says so", lambda: "Does not answer" in steward.get("/desk/")[1])
    page = visitor.ask(question)
    assert NOT_SERVED in page
    assert ANSWERED not in page
    restart(stack, "serving")
    visitor.ask_until_answered(question)


def releases(stack: Stack) -> dict[int, str]:
    """Number and state of every release."""
    found = rows(stack, "SELECT number, status FROM training_workers_release")
    return {row["number"]: row["status"] for row in found}


def ratified(stack: Stack, steward: Person, experts: list[int]) -> None:
    """A vote for `experts`, closed by the clock and ratified by the steward."""
    round_ = act(stack, cast.vote, experts=experts)
    tallied = "SELECT 1 FROM governance_round WHERE id = ? AND status = 'provisional'"
    eventually("the clock closes the round", lambda: rows(stack, tallied, round_))
    steward.post(f"/rounds/{round_}/ratify/")


def test_a_worker_may_die_while_it_composes_and_a_steward_rolls_back(stack: Stack) -> None:
    experts = [act(stack, cast.approve, passes=SHORT, seed=seed) for seed in (3, 4)]
    assert [ended(stack, expert=expert).status for expert in experts] == ["done", "done"]
    steward, visitor = Person(stack, cast.STEWARD), Person(stack)
    ratified(stack, steward, experts)
    stack.kill(at_work(stack, "training the monolith", release=1).worker)
    job = ended(stack, release=1)
    assert (job.status, job.attempt) == ("done", 2)
    assert releases(stack) == {1: "live"}
    ratified(stack, steward, experts[:1])
    # In the middle of the switch: its files are written, its rows are not, or just now.
    stored = stack.home / "media" / "releases" / "2"
    eventually("its files are written", lambda: list(stored.rglob("strategy.json")), every=0.001)
    switching = newest_job(stack, release=2)
    if switching is not None and switching.worker:
        stack.kill(switching.worker)
    stack.kill("serving")
    states: list[dict[int, str]] = []

    def switched() -> bool:
        states.append(releases(stack))
        return states[-1] == {1: "retired", 2: "live"}

    eventually("the next one is live", switched, seconds=300)
    assert all(list(state.values()).count("live") == 1 for state in states)
    assert ended(stack, release=2).status == "done"

    address = "/releases/1/roll-back/"
    assert Person(stack, cast.OWNER).post(address, reason="I liked it.")[0] == 404
    page = steward.post(address, reason="Release 2 answers worse.")[1]
    assert "Release 1 is live again." in page
    assert releases(stack) == {1: "live", 2: "retired"}
    page = steward.post(address, reason="Release 2 answers worse.")[1]
    assert "only a retired one can" in page
    assert releases(stack) == {1: "live", 2: "retired"}
    assert "Release 2 answers worse." in visitor.get("/ledger/")[1]

    def answered_from() -> str:
        return visitor.ask(cast.ball(5)[0]).partition(ANSWERED)[2]

    eventually("release 1 answers", lambda: "release 1</a>" in answered_from(), every=5.0)


def test_a_ballot_is_cast_once_though_the_web_process_died_under_it(stack: Stack) -> None:
    round_, candidates = act(stack, cast.open_vote)
    voter = Person(stack, cast.NEIGHBOUR)
    voter.get("/rounds/")
    address = f"/rounds/{round_}/ballot/cast/"
    casts = "SELECT 1 FROM governance_boxentry WHERE round_id = ? AND kind = 'cast'"

    def vote(number: int) -> tuple[int, str]:
        return voter.post(address, approvals=str(candidates[number % len(candidates)]))

    def keep_voting() -> None:
        number = 0
        while vote(number)[0] == 200:
            number += 1

    voting = threading.Thread(target=keep_voting)
    voting.start()
    eventually("ballots come in", lambda: len(rows(stack, casts, round_)) > 1)
    restart(stack, "web")
    voting.join()
    eventually("pages are answered", lambda: voter.get("/healthz")[0] == 200)

    status, page = vote(0)
    assert status == 200
    [ballot] = rows(stack, "SELECT receipt FROM governance_ballot WHERE round_id = ?", round_)
    assert ballot["receipt"] in page
    entries = len(rows(stack, casts, round_))
    assert ballot["receipt"] in vote(0)[1]
    assert len(rows(stack, casts, round_)) == entries
    voted = "SELECT 1 FROM governance_elector WHERE round_id = ? AND voted"
    assert len(rows(stack, voted, round_)) == 1
    assert "holds" in stack.manage("audit_round", str(round_))


def test_the_ledger_holds_after_all_of_it(stack: Stack) -> None:
    assert "chain intact" in stack.manage("verify_ledger")
    left = "SELECT * FROM training_workers_job WHERE status IN ('queued', 'running')"
    assert not rows(stack, left)
    [counted] = rows(stack, "SELECT count(*) AS n FROM ledger_entry WHERE action = 'job.requeued'")
    assert counted["n"] > 0  # what was repaired is told
