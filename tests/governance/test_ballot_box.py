"""The ballot box: its chain, its receipts, and what nobody can do to it or read from it.

`test_postgresql.py` runs this file a second time, on PostgreSQL.
"""

import io
import itertools
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from governance import access, actions, ballot_box
from governance.models import Ballot, BoxEntry, Candidate, Elector, Round, Veto
from mosaic_site.errors import Refused
from mosaic_site.members.models import User
from tests.factories import make_user
from tests.governance.conftest import (
    CLOCK,
    MIB,
    Community,
    cast,
    close,
    decided,
    entries,
    page,
    signed_in,
    standing,
)

MakeCommunity = Callable[..., Community]


def chain(round_: Round) -> list[dict[str, Any]]:
    """The box as anybody can download it, payloads read."""
    response = Client().get(reverse("governance:round_chain", args=[round_.pk]))
    assert response.status_code == 200
    return [json.loads(line) for line in response.content.decode().splitlines()]


def receipts_page(receipt: str) -> str:
    """What it says to somebody who is not signed in."""
    response = Client().get(reverse("governance:receipt_check"), {"receipt": receipt})
    assert response.status_code == 200
    return response.content.decode()


def receipt_of(person: User, round_: Round) -> str:
    ballot = access.ballot_of(person, round_)
    assert ballot is not None
    return ballot.receipt


# --- The chain ------------------------------------------------------------------------------------


def test_every_step_is_an_entry_that_carries_the_one_before(community: Community) -> None:
    round_, (first, second, _) = community.open_round(), community.members
    cast(first, round_, community.experts[0])
    cast(first, round_, *community.experts[1:])
    cast(second, round_, community.experts[1])
    while_open = chain(round_)
    close(round_)
    box = chain(round_)

    assert [one["kind"] for one in box] == ["setup", "cast", "cast", "cast", "close", "result"]
    assert box[: len(while_open)] == while_open
    previous = "0" * 64
    for position, one in enumerate(box):
        assert (one["position"], one["previous"]) == (position, previous)
        previous = ballot_box.link(previous, position, one["kind"], one["payload"])
        assert one["hash"] == previous
    assert previous in page(None, "round_detail", round_.pk)

    setup, *casts, closed, result = [json.loads(one["payload"]) for one in box]
    assert [one["adapter_sha256"] for one in setup["candidates"]] == [
        one.adapter_sha256 for one in community.experts
    ]
    assert [one.keys() for one in casts] == [{"voter", "receipt"}] * 3
    assert casts[0]["voter"] == casts[1]["voter"] != casts[2]["voter"]
    assert (closed["ballots"], closed["entries"]) == (2, 4)
    assert ballot_box.commitment(closed["lot_seed"]) == setup["lot_commitment"]
    assert result["winners"] == decided(round_).recount


def test_the_last_ballot_counts(community: Community) -> None:
    round_, (person, *_) = community.open_round(), community.members
    first, second, third = standing(round_, *community.experts)
    cast(person, round_, community.experts[0])
    cast(person, round_, community.experts[1], community.experts[2])
    close(round_)
    result = decided(round_).result
    approvals = {int(one["id"]): one["approvals"] for one in result["winners"] + result["losers"]}
    assert approvals == {first: 0, second: 1, third: 1}


# --- Receipts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("voters", [9, 10])
def test_anybody_with_a_receipt_sees_whether_it_counts(
    make_community: MakeCommunity, voters: int
) -> None:
    """And, after the close, what the ballot says: where there are enough of them to hide in."""
    community = make_community([MIB] * voters)
    round_, person = community.open_round(), community.members[0]
    cast(person, round_, community.experts[1])
    replaced = receipt_of(person, round_)
    for member in community.members:
        cast(member, round_, community.experts[2])
    counts = receipt_of(person, round_)

    assert "No ballot has this receipt" in receipts_page("0" * 64)
    assert "changed the ballot later, so this one does not count" in receipts_page(replaced)
    assert "As it stands, this ballot will be counted." in receipts_page(counts)
    said = Ballot.objects.get(receipt=counts)
    assert said.nonce not in receipts_page(counts)

    close(round_)
    assert "changed the ballot later, so this one does not count" in receipts_page(replaced)
    html = receipts_page(f" {counts.upper()} ")
    assert "This ballot was counted." in html
    published = voters == 10
    assert (said.nonce in html) == published
    assert ("<li>Expert-2</li>" in html) == published
    assert ("fewer than 10 ballots" in html) != published


def test_after_ratification_only_ones_own_browser_finds_ones_share(community: Community) -> None:
    round_, (person, other, _) = community.open_round(budget=MIB), community.members
    browser = signed_in(person)
    choice = {"approvals": standing(round_, community.experts[0])}
    browser.post(reverse("governance:ballot_cast", args=[round_.pk]), choice)
    cast(other, round_, community.experts[0])
    close(round_)
    assert "Only you see this." in page(person, "round_detail", round_.pk)  # in any browser
    actions.round_ratify(steward=community.steward, round_=round_)

    url = reverse("governance:round_detail", args=[round_.pk])
    assert "of your share went to 1 expert you approved" in browser.get(url).content.decode()
    assert "Only you see this." not in page(person, "round_detail", round_.pk)
    assert "Only you see this." not in page(community.steward, "round_detail", round_.pk)
    browser.force_login(other)  # the same browser, with the same cookie, but another person
    assert "Only you see this." not in browser.get(url).content.decode()


# --- Secrecy --------------------------------------------------------------------------------------


def ratify(community: Community, round_: Round) -> None:
    actions.round_ratify(steward=community.steward, round_=round_)


def annul(community: Community, round_: Round) -> None:
    veto = actions.veto_move(
        steward=community.steward,
        round_=round_,
        candidate=None,
        ground=Veto.Ground.FRAUD,
        reason="Proven.",
    )
    actions.veto_second(steward=make_user(steward=True), veto=veto)


def leave(community: Community, round_: Round) -> None:
    """There was no quorum, so there is nothing to settle."""


@pytest.mark.parametrize(
    ("settle", "quorum", "status"),
    [(ratify, 2, "ratified"), (annul, 2, "annulled"), (leave, 3, "no_quorum")],
)
def test_once_settled_nothing_tells_whose_a_ballot_is(
    community: Community, settle: Callable[[Community, Round], None], quorum: int, status: str
) -> None:
    round_, voters = community.open_round(quorum=quorum), community.members[:2]
    for person in voters:
        cast(person, round_, community.experts[0])
    key = Round.objects.get().ballot_key
    assert ballot_box.pseudonym(key, voters[0].pk) in {one.voter for one in Ballot.objects.all()}
    assert len(joined_by_the_database()) == (2 if connection.vendor == "postgresql" else 0)
    close(round_)
    settle(community, round_)
    assert joined_by_the_database() == []

    round_.refresh_from_db()
    assert (round_.status, round_.ballot_key) == (status, "")
    assert access.ballot_of(voters[0], round_) is None
    secrets = [key] + [
        secret
        for one in Ballot.objects.all()
        for secret in (one.voter, one.nonce, one.receipt, one.pk.hex, str(one.pk))
    ]
    assert {model for model in apps.get_models() if mentions(model, secrets)} == {Ballot, BoxEntry}


def joined_by_the_database() -> list[object]:
    """Members and ballots that the same transaction wrote, as far as the database remembers it."""
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT member_id, content FROM governance_elector e JOIN governance_ballot b "
            "ON e.xmin = b.xmin"
        )
        joined: list[object] = cursor.fetchall()
    return joined


def mentions(model: type[models.Model], secrets: list[str]) -> bool:
    """Whether any row of a table holds one of these, a session's inside included."""
    rows = [
        repr(row.get_decoded() if isinstance(row, Session) else vars(row))
        for row in model._base_manager.all()
    ]
    return any(secret in row for row in rows for secret in secrets)


@pytest.mark.parametrize("model", [Ballot, BoxEntry])
def test_ballots_and_entries_know_no_person_and_no_time(model: type[models.Model]) -> None:
    """Nor does a number count ballots up: a ballot's key is random."""
    named = (models.DateField, models.TimeField, models.DurationField, models.GenericIPAddressField)
    for field in model._meta.get_fields():
        assert not isinstance(field, named)
        assert field.related_model in (None, Round)
    assert not isinstance(Ballot._meta.pk, models.AutoField)


# --- What the database itself refuses -------------------------------------------------------------


def late_ballot(round_: Round) -> None:
    Ballot.objects.bulk_create(
        [Ballot(round=round_, voter="v", nonce="n", content="{}", receipt="r")]
    )


def another_candidate(round_: Round) -> None:
    expert = Candidate.objects.all()[0].expert
    Candidate.objects.bulk_create(
        [Candidate(round=round_, expert=expert, adapter_sha256="0" * 64, cost_bytes=1)]
    )


def another_elector(round_: Round) -> None:
    Elector.objects.bulk_create([Elector(round=round_, member=make_user())])


def sql(statement: str) -> Callable[[Round], None]:
    def execute(round_: Round) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return execute


NEVER: dict[str, Callable[[Round], object]] = {
    "update of entries": lambda _: BoxEntry.objects.update(payload="{}"),
    "update of entries in SQL": sql("UPDATE governance_boxentry SET hash = 'a' WHERE position = 1"),
    "delete of entries": lambda _: BoxEntry.objects.filter(kind="cast").delete(),
    "delete of entries in SQL": sql("DELETE FROM governance_boxentry"),
    "delete of ballots": lambda _: Ballot.objects.all().delete(),
    "budget": lambda round_: Round.objects.filter(pk=round_.pk).update(budget_bytes=1),
    "quorum in SQL": sql("UPDATE governance_round SET quorum = 0"),
    "close": lambda round_: Round.objects.update(closes_at=round_.closes_at + timedelta(days=1)),
    "electorate's root": lambda _: Round.objects.update(electors_root=""),
    "lot": lambda _: Round.objects.update(lot_seed="0" * 64),
    "cost of a candidate": lambda _: Candidate.objects.update(cost_bytes=1),
    "adapter of a candidate": lambda _: Candidate.objects.update(adapter_sha256="0" * 64),
    "a candidate more": another_candidate,
    "a candidate less": sql("DELETE FROM governance_candidate"),
    "an elector more": another_elector,
    "an elector less": lambda _: Elector.objects.filter(voted=False).delete(),
}
LATE: dict[str, Callable[[Round], object]] = {
    "a new ballot": late_ballot,
    "a changed ballot": lambda _: Ballot.objects.update(content='{"answers":{},"approve":[]}'),
    "a changed ballot in SQL": sql("UPDATE governance_ballot SET nonce = 'a'"),
}


def rows() -> list[object]:
    tables: list[type[models.Model]] = [Round, Candidate, Elector, BoxEntry, Ballot]
    return [list(table._base_manager.order_by("pk").values()) for table in tables]


def assert_refused(attempt: Callable[[Round], object], round_: Round) -> None:
    before = rows()
    with pytest.raises(IntegrityError), transaction.atomic():
        attempt(round_)
    assert rows() == before


@pytest.mark.parametrize("what", NEVER)
def test_the_database_refuses_while_open_and_afterwards(community: Community, what: str) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    assert_refused(NEVER[what], round_)
    close(round_)
    assert_refused(NEVER[what], round_)


@pytest.mark.parametrize("what", LATE)
def test_the_database_refuses_ballots_after_the_close(community: Community, what: str) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    close(round_)
    assert_refused(LATE[what], round_)
    ratify(community, round_)
    assert_refused(LATE[what], round_)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no TRUNCATE")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["boxentry", "ballot", "candidate", "elector"])
def test_the_database_refuses_to_empty_a_table(community: Community, table: str) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    assert_refused(sql(f"TRUNCATE governance_{table} CASCADE"), round_)


# --- The close ------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_votes_that_race_the_close_are_counted_or_refused(community: Community) -> None:
    round_ = community.open_round(closes_at=timezone.now() + timedelta(seconds=1.5))
    keys = standing(round_, *community.experts)
    voters = [community.steward, *community.members]
    accepted: list[str] = []
    refusals: list[str] = []

    def vote(voter: User) -> None:
        try:
            for number in itertools.count(1):
                approvals = [key for bit, key in enumerate(keys) if number >> bit & 1]
                ballot = actions.ballot_cast(voter=voter, round_=round_, approvals=approvals)
                accepted.append(ballot.receipt)
        except Refused as refusal:
            refusals.append(str(refusal))
        finally:
            connection.close()

    for voter in voters:  # each has a ballot before the race, whoever gets a turn in it
        actions.ballot_cast(voter=voter, round_=round_, approvals=[])
    before = entries(round_)
    threads = [threading.Thread(target=vote, args=(voter,)) for voter in voters]
    for thread in threads:
        thread.start()
    while actions.round_advance(round_id=round_.pk).status == Round.Status.OPEN:
        pass
    for thread in threads:
        thread.join()

    assert len(refusals) == len(voters)
    assert all(one.startswith("This round has closed") for one in refusals)
    setup, *casts, closed, _ = chain(round_)
    assert [setup["kind"], closed["kind"]] == ["setup", "close"]
    recorded = [json.loads(one["payload"])["receipt"] for one in casts]
    assert sorted(recorded[before:]) == sorted(accepted)
    assert json.loads(closed["payload"])["ballots"] == len(voters) == Ballot.objects.count()
    result = decided(round_).result
    counted = {int(one["id"]): one["approvals"] for one in result["winners"] + result["losers"]}
    said = [ballot.approvals for ballot in Ballot.objects.all()]
    assert counted == {key: sum(key in one for one in said) for key in keys}
    call_command("audit_round", round_.pk, stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_a_vote_from_a_machine_whose_clock_is_slow_is_refused(community: Community) -> None:
    """It waits for the close at the box, by its own clock in time."""
    round_, person = community.open_round(), community.members[0]
    refusals: list[str] = []

    def vote() -> None:
        try:
            actions.ballot_cast(voter=person, round_=round_, approvals=[])
        except Refused as refusal:
            refusals.append(str(refusal))
        finally:
            connection.close()

    thread = threading.Thread(target=vote)
    with transaction.atomic():
        close(round_)
        CLOCK.back()
        thread.start()
        thread.join(0.5)  # until it waits
    thread.join()
    assert [one[:21] for one in refusals] == ["This round has closed"]
    assert not Ballot.objects.exists()
