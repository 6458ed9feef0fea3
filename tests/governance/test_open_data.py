"""What outsiders take away, and that it holds with nothing but Python."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from governance import triggers
from governance.models import Ballot, BoxEntry, BoxHead, Decision, Elector, Round
from tests.factories import make_user
from tests.governance.conftest import MIB, Community, cast, close, decided, hour_passes, page

MakeCommunity = Callable[..., Community]
VOTERS = 12
BOX = ("--chain", "chain.jsonl", "--openings", "openings.json")


@pytest.fixture
def large(make_community: MakeCommunity) -> Round:
    """Open; twelve have voted, and the first of them changed the ballot."""
    community = make_community([MIB] * VOTERS)
    round_ = community.open_round(budget=5 * MIB)
    for index, person in enumerate(community.members):
        cast(person, round_, *community.experts[index : index + 3])
    cast(community.members[0], round_, community.experts[5])
    return round_


def download(name: str, round_: Round) -> bytes:
    response = Client().get(reverse(f"governance:{name}", args=[round_.pk]))
    assert response.status_code == 200
    return response.content


def taken_away(round_: Round, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(download("round_export", round_))) as packed:
        packed.extractall(folder)
    return folder / f"round-{round_.pk}"


def recount(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As somebody else does it: another interpreter, without this site or any package."""
    command = [sys.executable, "-I", "-S", "recount.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def audit(round_: Round, earlier: Path | None = None) -> list[str]:
    out = io.StringIO()
    call_command("audit_round", round_.pk, earlier=earlier, stdout=out)
    return out.getvalue().splitlines()


def test_anybody_can_count_again_and_check_the_box(large: Round, tmp_path: Path) -> None:
    close(large)
    folder = taken_away(large, tmp_path)
    winners = decided(large).recount
    assert len(winners) == 5
    for arguments in (("election.json",), ("election.json", *BOX), ("election.pb",)):
        ran = recount(folder, *arguments)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.split()[-5:] == winners
    assert "The published result is confirmed." in recount(folder, "election.json").stderr


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("openings.json", '\\"approve\\":[', '\\"approve\\":[\\"0\\",'),
        ("chain.jsonl", '\\"ballots\\":12', '\\"ballots\\":11'),
        ("chain.jsonl", '"position": 3', '"position": 4'),
        ("election.json", '"published": [', '"published": [\n  "0",'),
    ],
)
def test_a_change_of_one_place_is_found(
    large: Round, tmp_path: Path, name: str, before: str, after: str
) -> None:
    close(large)
    file = taken_away(large, tmp_path) / name
    content = file.read_text("utf-8")
    assert before in content
    file.write_text(content.replace(before, after, 1), "utf-8")
    assert recount(file.parent, "election.json", *BOX).returncode == 1


def test_a_ballot_that_is_left_out_is_found(large: Round, tmp_path: Path) -> None:
    close(large)
    folder = taken_away(large, tmp_path)
    openings = json.loads((folder / "openings.json").read_text("utf-8"))
    (folder / "openings.json").write_text(json.dumps(openings[1:]), "utf-8")
    ran = recount(folder, "election.json", *BOX)
    assert ran.returncode == 1
    assert openings[0]["receipt"] in ran.stderr


def test_of_few_ballots_only_totals_are_published(community: Community, tmp_path: Path) -> None:
    round_ = community.open_round()
    for person in community.members:
        cast(person, round_, community.experts[0])
    receipt = Ballot.objects.all()[0].receipt
    close(round_)
    folder = taken_away(round_, tmp_path)
    assert {file.name for file in folder.iterdir()} == {
        *("README.txt", "recount.py", "chain.jsonl", "electors.json", "decisions.json"),
        "totals.json",
    }
    decisions = (folder / "decisions.json").read_text("utf-8")
    assert "spent_fractions" not in decisions and "winners_approved" not in decisions
    totals = json.loads((folder / "totals.json").read_text("utf-8"))
    assert (totals["ballots"], sorted(totals["approvals"].values())) == (3, [0, 0, 3])
    assert recount(folder, "--chain", "chain.jsonl").returncode == 0
    check = Client().get(reverse("governance:receipt_check"), {"receipt": receipt})
    assert "This ballot was counted." in check.content.decode()
    assert "they are not published" in check.content.decode()
    assert "take this result as advice" in page(make_user(), "round_detail", round_.pk)


def test_before_the_close_there_is_the_chain_alone(large: Round) -> None:
    export = reverse("governance:round_export", args=[large.pk])
    assert Client().get(export).status_code == 404
    assert export not in page(None, "round_detail", large.pk)
    hour_passes()
    lines = [json.loads(line) for line in download("round_chain", large).splitlines()]
    assert [line["kind"] for line in lines] == ["setup"] + ["cast"] * (VOTERS + 1)
    close(large)
    assert Client().get(export).status_code == 200


def test_the_feed_is_a_witness(community: Community) -> None:
    round_ = community.open_round()
    seen = set()
    for person in community.members:
        cast(person, round_, community.experts[0])
        feed = Client().get(reverse("governance:feed")).content.decode()
        head = BoxHead.objects.get(round=round_).hash
        assert head in feed
        seen.add(head)
    assert len(seen) == 3


def test_the_audit_says_what_holds_and_that_an_earlier_chain_does(
    large: Round, tmp_path: Path
) -> None:
    earlier = tmp_path / "earlier.jsonl"
    hour_passes()
    earlier.write_bytes(download("round_chain", large))
    close(large)
    lines = audit(large, earlier)
    assert all(line.startswith("holds ") for line in lines)
    for statement in (
        "the chain is intact: 16 entries",
        "the earlier export is a prefix of today's chain: 14 entries",
        "every live ballot is opened, once: 12",
        "tally 1: both counts find the published winners",
    ):
        assert any(statement in line for line in lines)
    packed = tmp_path / "round.zip"
    packed.write_bytes(download("round_export", large))
    assert len(audit(large, packed)) == len(lines)


def test_a_foreign_chain_is_no_prefix(community: Community, tmp_path: Path) -> None:
    first = community.open_round()
    cast(community.members[0], first, community.experts[0])
    close(first)
    earlier = taken_away(first, tmp_path) / "chain.jsonl"
    second = community.open_round(title="Summer")
    with pytest.raises(CommandError, match="entry 0 of the earlier export"):
        audit(second, earlier)


def another_ballot() -> None:
    Ballot.objects.filter(pk=Ballot.objects.all()[0].pk).update(
        content='{"answers":{},"approve":[]}'
    )


TAMPERED: dict[str, tuple[Callable[[], object], str]] = {
    "an entry": (
        lambda: BoxEntry.objects.filter(position=3).update(payload="{}"),
        "entry 3 is not what was recorded",
    ),
    "an entry taken out": (
        lambda: BoxEntry.objects.filter(position=3).delete(),
        "entry 3 is missing",
    ),
    "the end cut off": (
        lambda: BoxEntry.objects.filter(kind="result").delete(),
        "entries at the end are missing",
    ),
    "a ballot": (another_ballot, "is not the one that was cast"),
    "a ballot taken out": (
        lambda: Ballot.objects.filter(pk=Ballot.objects.all()[0].pk).delete(),
        "receipts and ballots do not match",
    ),
    "the budget": (
        lambda: Round.objects.update(budget_bytes=MIB),
        "budget is 1048576 now and was 5242880 at the freeze",
    ),
    "the electorate": (
        lambda: Elector.objects.filter(voted=False).delete(),
        "electors is 12 now and was 13",
    ),
    "who voted": (lambda: Elector.objects.update(voted=True), "13 electors are marked"),
    "the winners": (
        lambda: Decision.objects.update(recount=["0"], result={"winners": [{"id": "0"}]}),
        "published is",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_audit_finds_what_somebody_changed_in_the_database(large: Round, what: str) -> None:
    """Even who can take the guards of the database away."""
    tamper, problem = TAMPERED[what]
    close(large)
    audit(large)
    triggers.remove(connection)
    tamper()
    with pytest.raises(CommandError, match=problem):
        audit(large)
