"""What outsiders take away, and that it holds with nothing but Python."""

import io
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

from governance.models import Ballot, BoxEntry, Round
from tests.factories import make_user
from tests.governance.conftest import MIB, Community, cast, close, page


def taken_away(round_: Round, folder: Path) -> Path:
    response = Client().get(reverse("governance:round_export", args=[round_.pk]))
    assert response.status_code == 200
    with zipfile.ZipFile(io.BytesIO(response.content)) as packed:
        packed.extractall(folder)
    return folder / f"round-{round_.pk}"


def recount(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "recount.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_anybody_can_count_again_and_check_the_box(
    make_community: Callable[..., Community], tmp_path: Path
) -> None:
    community = make_community([MIB] * 12)
    round_ = community.open_round(budget=5 * MIB)
    url = reverse("governance:round_export", args=[round_.pk])
    assert Client().get(url).status_code == 404
    for index, person in enumerate(community.members):
        cast(person, round_, *community.experts[index : index + 3])
    cast(community.members[0], round_, community.experts[5])
    close(round_)

    folder = taken_away(round_, tmp_path)
    box = ("--chain", "chain.jsonl", "--openings", "openings.json")
    holds = recount(folder, "election.json", *box)
    assert (holds.returncode, "The published result is confirmed." in holds.stderr) == (0, True)
    assert recount(folder, "election.pb").stdout.split() == holds.stdout.split()[-5:]

    openings = folder / "openings.json"
    openings.write_text(
        openings.read_text().replace('\\"approve\\":[', '\\"approve\\":[\\"0\\",', 1)
    )
    assert recount(folder, "election.json", *box).returncode == 1

    out = io.StringIO()
    call_command("audit_round", round_.pk, earlier=folder / "chain.jsonl", stdout=out)
    assert "the chain is intact: 16 entries" in out.getvalue()
    assert "the earlier export is a prefix" in out.getvalue()


def test_of_few_ballots_only_totals_are_published(community: Community, tmp_path: Path) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    receipt = Ballot.objects.get().receipt
    close(round_)
    folder = taken_away(round_, tmp_path)
    assert (folder / "totals.json").exists()
    assert not (folder / "openings.json").exists()
    check = Client().get(reverse("governance:receipt_check"), {"receipt": receipt})
    assert "This ballot was counted." in check.content.decode()
    assert "they are not published" in check.content.decode()
    assert "take this result as advice" in page(make_user(), "round_detail", round_.pk)


def test_a_foreign_chain_is_no_prefix(community: Community, tmp_path: Path) -> None:
    first = community.open_round()
    cast(community.members[0], first, community.experts[0])
    close(first)
    earlier = taken_away(first, tmp_path) / "chain.jsonl"
    second = community.open_round(title="Summer")
    with pytest.raises(CommandError, match="entry 0 of the earlier export"):
        call_command("audit_round", second.pk, earlier=earlier, stdout=io.StringIO())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE governance_boxentry SET payload = '{}'",
        "DELETE FROM governance_boxentry",
        "DELETE FROM governance_ballot",
        "UPDATE governance_round SET budget_bytes = 1",
        "UPDATE governance_candidate SET cost_bytes = 1",
    ],
)
def test_the_database_refuses(community: Community, statement: str) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    entries = BoxEntry.objects.count()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert BoxEntry.objects.count() == entries
