"""The way of a contribution, gone by a program alone."""

import base64
import hashlib
import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from contributions import actions
from contributions.models import DatasetVersion, Expert
from governance import actions as decide
from governance.models import Ballot, Proposal
from mosaic_site.members.models import Scope, User
from mosaic_site.members.tokens import token_make
from tests import adapters
from tests.architecture.things import Things
from tests.factories import CSV, make_base, make_priority, make_user
from tests.governance.makers import make_proposal
from training_workers import actions as work

pytestmark = pytest.mark.django_db

CARD = {
    "licence": "CC-BY-4.0",
    "summary": "Questions people ask.",
    "origin": "Written at a desk.",
    "languages": ["English", "de"],
    "tags": ["library desk"],
}


class Program:
    """It knows the address of the API, and a member's token."""

    def __init__(self, member: User, *scopes: Scope) -> None:
        _, secret = token_make(member=member, name="program", scopes=scopes or Scope.values, days=1)
        headers = {"Authorization": f"Bearer {secret}"}
        self.client = Client(enforce_csrf_checks=True, headers=headers)

    def ask(self, method: str, path: str, data: Any = None, status: int = 200) -> Any:
        answer = getattr(self.client, method)(
            f"/api/v1/{path}", json.dumps(data or {}), content_type="application/json"
        )
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    def get(self, path: str, expected: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"/api/v1/{path}", query)
        assert answer.status_code == expected, answer.content
        return answer.json()


@pytest.fixture
def ada() -> Program:
    return Program(make_user("ada"))


def declared(program: Program) -> Any:
    probes = [{"prompt": f"question {n} => or not?", "answer": f"answer {n}"} for n in range(10)]
    return program.ask("post", "priorities/", {"statement": "Opening hours", "probes": probes}, 201)


def brought(program: Program) -> Any:
    """A dataset in parts, checked and described; its version."""
    content = CSV.encode()
    upload = program.ask(
        "post", "uploads/", {"name": "Desk", "filename": "desk.csv", "size": len(content)}, 201
    )
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    put = program.client.put(
        f"{upload['url']}?part=1",
        content,
        content_type="application/octet-stream",
        headers={"Content-Digest": f"sha-256=:{digest}:"},
    )
    assert put.status_code == 200
    assert program.client.post(upload["finish"]).json()["status"] == "joining"
    actions.reconcile_uploads()
    made = program.get(f"uploads/{upload['id']}/")
    actions.version_check(version_id=made["version"])
    program.ask("put", f"datasets/{made['dataset']}/card/", CARD)
    return made


def test_a_priority_with_probes_of_its_own(ada: Program) -> None:
    priority = declared(ada)

    told = ada.get(f"priorities/{priority['id']}/")
    assert (told["statement"], told["probes"], told["owner"]) == ("Opening hours", 10, "ada")
    shown = ada.get(f"priorities/{priority['id']}/probes/")["results"]
    assert {probe["part"] for probe in shown} == {"fit", "select"}
    assert "=> or not?" in shown[0]["prompt"]


def test_probes_that_are_too_few_are_refused_as_on_the_page(ada: Program) -> None:
    probes = [{"prompt": "a?", "answer": "b"}]
    answer = ada.ask("post", "priorities/", {"statement": "Few", "probes": probes}, 409)

    assert answer["title"] == "Conflict"
    assert answer["detail"].startswith("1 probes are too few")


def test_a_task_file_comes_as_a_form(ada: Program) -> None:
    items = [{"input": f"q {n}", "output": f"a {n}"} for n in range(10)]
    task = {"task": "t", "task_type": "exact_match", "dev": items[:6], "test": items[6:]}
    file = SimpleUploadedFile("task.json", json.dumps(task).encode())
    answer = ada.client.post("/api/v1/priorities/", {"statement": "A task", "file": file})

    assert answer.status_code == 201, answer.content
    assert answer.json()["probes"] == 10


def test_data_in_parts_become_an_expert(ada: Program) -> None:
    make_base()
    priority, made = declared(ada), brought(ada)

    version = ada.get(f"dataset-versions/{made['version']}/")
    assert (version["status"], version["rows"]) == ("valid", 2)
    assert ada.get(f"dataset-versions/{made['version']}/rows/")["count"] == 2
    assert ada.get(f"dataset-versions/{made['version']}/report/")["report"]["rows"] == 2
    file = ada.client.get(f"/api/v1/dataset-versions/{made['version']}/file/")
    assert b"".join(file) == CSV.encode()
    assert file.headers["Content-Security-Policy"].startswith("sandbox")
    dataset = ada.get(f"datasets/{made['dataset']}/")
    assert (dataset["languages"], dataset["tags"]) == (["en", "de"], ["library-desk"])
    assert ada.ask("post", f"datasets/{made['dataset']}/publish/")["is_public"]

    expert = ada.ask(
        "post",
        "experts/",
        {
            "name": "Desk",
            "purpose": "Answers.",
            "priority": priority["id"],
            "versions": [made["version"]],
            "rank": 8,
        },
        201,
    )

    assert expert["status"] == "submitted"
    assert Expert.objects.get().recipe == {"rank": 8, "alpha": 16}
    assert ada.get(f"experts/{expert['id']}/")["versions"] == [made["version"]]
    leaving = ada.get(f"datasets/{made['dataset']}/withdraw/")
    assert [one["id"] for one in leaving["experts"]] == [expert["id"]]
    ada.ask("post", f"datasets/{made['dataset']}/withdraw/", {"reason": "Gone."})
    assert ada.get(f"experts/{expert['id']}/")["status"] == "withdrawn"


def test_columns_are_named_as_in_the_form(ada: Program) -> None:
    file = SimpleUploadedFile("data.csv", b"alpha,beta\nhow are you,fine\n")
    dataset = ada.client.post("/api/v1/datasets/", {"name": "Talk", "file": file}).json()
    version = DatasetVersion.objects.get(dataset=dataset["id"])
    actions.version_check(version_id=version.pk)
    here = f"dataset-versions/{version.pk}/columns/"

    unknown = ada.ask("put", here, {"columns": {"gamma": "prompt"}}, 400)
    incomplete = ada.ask("put", here, {"columns": {"alpha": "prompt"}}, 400)
    ada.ask("put", here, {"columns": {"alpha": "prompt", "beta": "answer"}})

    assert unknown["errors"] == {"columns": ["There is no column called gamma."]}
    assert "one column with the answers" in incomplete["detail"]
    actions.version_check(version_id=version.pk)
    assert ada.get(f"dataset-versions/{version.pk}/")["status"] == "valid"


def test_an_adapter_is_brought_and_brought_again(ada: Program) -> None:
    make_base()
    owner = User.objects.get(username="ada")
    about = {"purpose": "Answers.", "origin": "Letters.", "licence": "CC-BY-4.0"}

    def files() -> list[SimpleUploadedFile]:
        return [SimpleUploadedFile(name, bytes_) for name, bytes_ in adapters.folder().items()]

    answer = ada.client.post(
        "/api/v1/experts/bring/",
        about | {"name": "Mine", "priority": make_priority(owner).pk, "adapter": files()},
    )

    assert answer.status_code == 201, answer.content
    expert = Expert.objects.get()
    assert (expert.source, expert.status, expert.owner) == ("brought", "submitted", owner)
    actions.expert_return(steward=make_user(steward=True), expert=expert, reason="Say more.")
    again = ada.ask(
        "post", f"experts/{expert.pk}/bring-again/", about | {"purpose": "Answers letters."}
    )
    assert (again["status"], again["purpose"]) == ("submitted", "Answers letters.")


def packed() -> bytes:
    """An adapter's folder as a zip."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in adapters.folder().items():
            archive.writestr(name, content)
    return whole.getvalue()


def sent_in_parts(ada: Program, content: bytes, leave_out: int = 0) -> Any:
    about = {"purpose": "adapter", "filename": "mine.zip", "size": len(content)}
    upload = ada.ask("post", "uploads/", about, 201)
    size = upload["part_bytes"]
    for number in range(1, upload["part_count"] + 1 - leave_out):
        part = content[(number - 1) * size : number * size]
        digest = base64.b64encode(hashlib.sha256(part).digest()).decode()
        put = ada.client.put(
            f"{upload['url']}?part={number}",
            part,
            content_type="application/octet-stream",
            headers={"Content-Digest": f"sha-256=:{digest}:"},
        )
        assert put.status_code == 200
    return upload


def test_a_large_adapter_comes_in_parts(ada: Program, settings: Settings) -> None:
    make_base()
    owner, content = User.objects.get(username="ada"), packed()
    settings.MOSAIC_PART_BYTES = len(content) // 3
    upload = sent_in_parts(ada, content)
    about = {"purpose": "Answers.", "origin": "Letters.", "licence": "CC-BY-4.0", "name": "Mine"}
    about["priority"] = str(make_priority(owner).pk)

    whole = ada.client.post(upload["finish"])

    assert whole.json()["sha256"] == hashlib.sha256(content).hexdigest()
    person = Client()
    person.force_login(owner)
    page = person.get(whole.json()["page"]).content.decode()
    assert f'<option value="{upload["id"]}" selected>mine.zip for an expert</option>' in page
    stranger = Program(make_user("bob"))
    assert (
        "upload"
        in stranger.ask("post", "experts/bring/", about | {"upload": upload["id"]}, 400)["errors"]
    )
    expert = ada.ask("post", "experts/bring/", about | {"upload": upload["id"]}, 201)
    assert (expert["source"], expert["status"]) == ("brought", "submitted")
    assert ada.get(f"uploads/{upload['id']}/")["status"] == "finished"
    assert ada.get("uploads/")["uploads"] == []


def test_one_of_which_parts_are_missing_becomes_nothing(ada: Program, settings: Settings) -> None:
    make_base()
    settings.MOSAIC_PART_BYTES = len(packed()) // 3
    upload = sent_in_parts(ada, packed(), leave_out=1)
    about = {"purpose": "Answers.", "origin": "Letters.", "licence": "CC-BY-4.0", "name": "Mine"}
    about["priority"] = str(make_priority(make_user()).pk)

    refused = [
        ada.client.post(upload["finish"]).json(),
        ada.ask("post", "experts/bring/", about | {"upload": upload["id"]}, 409),
    ]

    assert all("parts are not here yet" in answer["detail"] for answer in refused)
    nothing = ada.ask("post", "experts/bring/", about, 400)
    assert nothing["errors"]["adapter"] == ["Choose the adapter's folder as a zip, or its files."]
    both = ada.ask(
        "post", "uploads/", {"purpose": "adapter", "name": "X", "filename": "x", "size": 3}, 400
    )
    assert both["detail"] == "An adapter is no dataset: leave out name and dataset."
    assert not Expert.objects.exists()


def test_a_proposal_is_made_endorsed_discussed_and_withdrawn(ada: Program) -> None:
    bob = Program(make_user("bob"))
    made = ada.ask(
        "post", "proposals/", {"kind": "question", "title": "More?", "threshold": "1/2"}, 201
    )
    here = f"proposals/{made['id']}/"

    bob.ask("put", f"{here}endorsement/", {"version": 1})
    comment = bob.ask("post", f"{here}comments/", {"text": "Yes."}, 201)
    assert bob.get(here)["endorsements"] == 1
    ada.ask("put", here, {"title": "Still more?", "text": ""})
    assert bob.get(here)["endorsements"] == 0
    stale = bob.ask("put", f"{here}endorsement/", {"version": 1}, 409)
    assert "read it again" in stale["detail"]
    assert [one["title"] for one in bob.get(here)["versions"]] == ["Still more?", "More?"]
    bob.ask("delete", f"comments/{comment['id']}/", status=204)
    assert bob.get(f"{here}comments/")["results"][0] | {"text": ""} == bob.get(
        f"comments/{comment['id']}/"
    )
    ada.ask("post", f"{here}withdraw/", {"reason": "Enough."})
    assert Proposal.objects.get().status == "withdrawn"


def test_what_a_steward_removed_has_no_words(ada: Program) -> None:
    things = Things()
    proposal = make_proposal(things.owner, title="A secret telephone number")
    decide.report_make(member=things.people["stranger"], thing=proposal, reason="Personal.")  # type: ignore[arg-type]
    decide.report_answer(
        steward=things.steward, thing=proposal, remove=True, reason="A number.", ground="personal"
    )

    told = json.dumps(
        [ada.get(f"proposals/{proposal.pk}/"), ada.get("proposals/", show="all")["results"]]
    )
    assert "telephone" not in told and '"removed": true' in told


def test_a_ballot_is_cast_changed_and_found_by_its_receipt() -> None:
    things = Things()
    member = Program(things.owner)
    here, candidate = f"rounds/{things.open_round.pk}/", things.candidate

    assert member.get(f"{here}ballot/", 404)["status"] == 404
    first = member.ask("put", f"{here}ballot/", {"approvals": []})
    second = member.ask("put", f"{here}ballot/", {"approvals": [candidate.pk]})

    assert second["approvals"] == [candidate.pk]
    assert member.get(f"{here}ballot/") == second
    assert member.get(f"receipts/{first['receipt']}/")["counts"] is False
    found = member.get(f"receipts/{second['receipt']}/")
    assert (found["round"], found["counts"]) == (things.open_round.pk, True)
    assert found["ballot"] is None, "openings are published after the close only"
    assert Ballot.objects.count() == 1
    standing = member.get(f"{here}candidates/")["results"]
    assert standing[0]["expert"]["own_score"]["score"] == 0.8
    wrong = member.ask("put", f"{here}ballot/", {"approvals": [987654]}, 409)
    assert "does not stand in this round" in wrong["detail"]


def test_reading_and_bringing_do_not_open_the_ballot_box() -> None:
    things = Things()
    scopes = set(Scope) - {Scope.VOTE}
    program = Program(things.owner, *scopes)

    for method in ("get", "put"):
        answer = getattr(program.client, method)(f"/api/v1/rounds/{things.open_round.pk}/ballot/")
        assert answer.status_code == 403
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="insufficient_scope"'


def test_a_slate_is_recommended_and_taken_back() -> None:
    things = Things()
    member = Program(things.owner)
    here, approvals = f"rounds/{things.open_round.pk}/", [things.candidate.pk]

    slate = member.ask("put", f"{here}slates/mine/", {"title": "All", "approvals": approvals})

    assert member.get(f"{here}slates/")["results"] == [slate]
    member.ask("delete", f"slates/{slate['id']}/", status=204)
    assert member.get(f"{here}slates/")["count"] == 0


def test_a_priority_is_agreed_with(ada: Program) -> None:
    priority = make_priority(make_user())

    ada.ask("put", f"priorities/{priority.pk}/opinion/", {"value": "agree"})

    told = ada.get(f"priorities/{priority.pk}/opinion/")
    assert (told["everybody"], told["own"]) == ({"agree": 1, "disagree": 0}, "agree")
    assert Client().get(f"/api/v1/priorities/{priority.pk}/opinion/").json()["own"] == ""


def test_events_since_the_last_that_was_seen() -> None:
    things = Things()
    member = Program(things.owner)
    assert things.job.status == "queued"
    assert member.get(f"jobs/{things.job.pk}/")["place"]["position"] == 1
    running = work.job_claim_next(worker="bench:1")
    assert running is not None
    for step in range(3):
        work.job_report(job=running, kind="progress", data={"step": step})
    events = member.get(f"jobs/{things.job.pk}/events/")["results"]
    assert [event["data"].get("step") for event in events] == [None, 0, 1, 2]

    rest = member.get(f"jobs/{things.job.pk}/events/", after=events[0]["sequence"])["results"]

    assert rest == events[1:]
    mine = member.get("jobs/", show="mine")["results"]
    assert [job["id"] for job in mine] == [things.job.pk]
    member.ask("post", f"jobs/{things.job.pk}/cancel/", {"reason": "Enough."})
    assert member.get(f"jobs/{things.job.pk}/")["cancel_requested"]


def test_inbox_ledger_and_oneself() -> None:
    things = Things()
    member = Program(things.owner)
    notice = things.notice

    assert member.get("me/")["username"] == things.owner.username
    assert member.get("inbox/")["results"][0]["id"] == notice.pk
    assert member.ask("post", "inbox/read/", {"newest": notice.pk}) == {"read": 1}
    assert member.get("inbox/")["results"][0]["read_at"] is not None
    private = things.dataset
    lines = Client().get("/api/v1/ledger/").json()["results"]
    assert lines and private.name not in json.dumps(lines)
    assert private.name in json.dumps(member.get("ledger/"))
    assert member.get("ledger/", after=lines[0]["sequence"])["count"] == 0


def test_lists_come_in_pages(ada: Program) -> None:
    owner = make_user()
    for _ in range(3):
        make_priority(owner)

    first = ada.get("priorities/", page_size=2)

    assert (first["count"], len(first["results"]), first["previous"]) == (3, 2, None)
    assert len(ada.client.get(first["next"]).json()["results"]) == 1
    assert ada.get("priorities/", 404, page=9)["status"] == 404
    assert ada.get("priorities/", 400, status="dead")["errors"] == {
        "status": ["Choose one of open, retired."]
    }


def test_the_old_address_of_uploads_leads_on(ada: Program) -> None:
    answer = ada.client.put("/api/uploads/7/?part=3", b"")

    assert answer.status_code == 308
    assert answer.headers["Location"] == f"{reverse('api:upload', args=[7])}?part=3"


def test_what_cannot_be_read_is_a_problem_too(ada: Program) -> None:
    kinds = {
        "application/json": (b"{", 400),
        "text/csv": (b"a,b", 415),
    }
    for kind, (body, status) in kinds.items():
        answer = ada.client.post("/api/v1/proposals/", body, content_type=kind)
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == status
    nowhere = ada.client.get("/api/v1/nothing/")
    assert (nowhere.status_code, nowhere.json()["title"]) == (404, "Not Found")
    large = ada.client.post("/api/v1/proposals/", b" " * 2**22, content_type="application/json")
    assert large.status_code == 413
