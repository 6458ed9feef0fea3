"""Everything that one brought and wrote, as a zip that is written while it is sent."""

import asyncio
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from contributions import actions
from contributions.models import Priority, Probe
from governance import actions as decide
from governance.models import Slate
from mosaic_site.members.models import User
from mosaic_site.zipping import zipped
from tests.architecture.things import Things
from tests.factories import CSV, make_dataset, make_eligible_expert, make_priority, make_user
from tests.governance.makers import make_comment, make_proposal

URL = "/me/export/"


def fetched(person: User) -> ZipFile:
    client = Client()
    client.force_login(person)
    response = client.get(URL)
    assert response.headers["Content-Disposition"] == 'attachment; filename="mosaic-export.zip"'
    archive = ZipFile(io.BytesIO(b"".join(response)))
    assert archive.testzip() is None
    return archive


def lines(archive: ZipFile, name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


@pytest.mark.django_db
def test_everything_is_in_it(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    ada, steward = make_user("ada"), make_user(steward=True)
    dataset = make_dataset(ada, content=CSV)
    expert = make_eligible_expert(ada, steward)
    expert.adapter_path.mkdir(parents=True)
    (expert.adapter_path / "adapter_model.safetensors").write_bytes(b"weights")
    proposal = make_proposal(ada, title="Shall we?")
    decide.proposal_edit(author=ada, proposal=proposal, title="Shall we now?", text="Yes.")
    make_comment(ada, proposal, text="I think so.")
    decide.endorse(member=ada, proposal=proposal, version=2)
    decide.priority_vote(member=ada, priority=expert.priority, value="agree")

    archive = fetched(ada)

    version = f"datasets/{dataset.pk}/version-1"
    assert archive.read(f"{version}/upload/file-data.csv").decode() == CSV
    assert len(lines(archive, f"{version}/rows.jsonl")) == 2
    assert json.loads(archive.read(f"datasets/{dataset.pk}/card.json"))["licence"] == "CC-BY-4.0"
    folder = f"experts/{expert.pk}"
    assert archive.read(f"{folder}/adapter/adapter_model.safetensors") == b"weights"
    learnt = json.loads(archive.read(f"{folder}/card.json"))["learnt_from"]
    assert learnt == [expert.versions.get().sha256]
    assert json.loads(archive.read("profile.json"))["email"] == "ada@example.org"
    assert [line["title"] for line in lines(archive, "proposals.jsonl")] == [
        "Shall we?", "Shall we now?",
    ]  # fmt: skip
    assert lines(archive, "comments.jsonl")[0]["text"] == "I think so."
    assert lines(archive, "priority_votes.jsonl")[0]["value"] == "agree"
    assert len(lines(archive, "endorsements.jsonl")) == 1
    actions_of = {line["action"] for line in lines(archive, "ledger.jsonl")}
    assert {"dataset.uploaded", "expert.submitted", "proposal.made"} <= actions_of
    assert "sealed probes" in archive.read("README.txt").decode()


@pytest.mark.django_db
def test_a_recommended_ballot_is_in_it() -> None:
    things = Things()
    slate: Slate = things.slate

    assert lines(fetched(things.owner), "recommended_ballots.jsonl")[0]["title"] == slate.title


@pytest.mark.django_db
def test_sealed_probes_are_not_in_it() -> None:
    ada = make_user()
    priority: Priority = make_priority(ada, probes=10)

    archive = fetched(ada)

    texts = "".join(archive.read(name).decode() for name in archive.namelist())
    by_part = {part: priority.probes.filter(part=part) for part in ("fit", "select", "sealed")}
    for part, probes in by_part.items():
        for probe in probes:
            for text in (probe.prompt, f'"{probe.answer}"'):
                assert (text in texts) == (part != Probe.Part.SEALED)


@pytest.mark.django_db
def test_nothing_of_others_is_in_it() -> None:
    bob, ada = make_user("bob"), make_user("ada")
    make_dataset(bob, name="bobs diary")
    make_comment(bob, make_proposal(ada), text="Bob says no.")

    archive = fetched(ada)

    for name in archive.namelist():
        assert b"bob" not in archive.read(name).lower()


@pytest.mark.django_db
def test_what_was_erased_is_left_out(settings: Settings) -> None:
    settings.MOSAIC_ERASE_AFTER_DAYS = 0
    ada = make_user()
    dataset = make_dataset(ada)
    actions.dataset_withdraw(actor=ada, dataset=dataset, reason="I changed my mind.")
    actions.reconcile_leaving()

    names = fetched(ada).namelist()

    assert f"datasets/{dataset.pk}/version-1/version.json" in names
    assert not any("upload" in name or "rows" in name for name in names)


@pytest.mark.django_db
def test_a_name_that_leads_out_of_the_folder_stays_in_it() -> None:
    ada = make_user()
    dataset = make_dataset(ada)
    dataset.versions.update(filename="../../../etc/passwd")

    names = fetched(ada).namelist()

    assert f"datasets/{dataset.pk}/version-1/upload/file-......etcpasswd" in names


@pytest.mark.django_db(transaction=True)
def test_an_asynchronous_server_sends_the_same() -> None:
    ada = make_user()
    make_dataset(ada)
    client = AsyncClient()
    client.force_login(ada)

    async def fetch() -> bytes:
        response: Any = await client.get(URL)
        return b"".join([block async for block in response])

    archive = ZipFile(io.BytesIO(asyncio.run(fetch())))

    assert archive.testzip() is None and archive.namelist() == fetched(ada).namelist()


def test_memory_is_flat_whatever_the_size() -> None:
    """128 MiB go through; what is held at once is some blocks."""
    block = bytes(2**20)

    def large() -> Iterator[bytes]:
        for _ in range(128):
            yield block

    tracemalloc.start()
    size = sum(len(piece) for piece in zipped([("large", large())]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 0 and peak < 16 * 2**20
