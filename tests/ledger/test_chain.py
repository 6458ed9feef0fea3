"""The chain: whole after whatever happened, and broken wherever somebody touched it."""

import re
from threading import Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from contributions import actions
from mosaic_site.ledger.chain import digest, record, verify
from mosaic_site.ledger.models import Entry, Head
from tests.factories import make_eligible_expert, make_expert, make_priority, make_user

pytestmark = pytest.mark.django_db


def some_history() -> None:
    owner, steward = make_user(), make_user(steward=True)
    expert = make_eligible_expert(owner, steward)
    actions.expert_withdraw(actor=owner, expert=expert, reason="Ich gehe – bye ✓.")
    actions.expert_return(steward=steward, expert=make_expert(owner), reason="Bring more.")


def test_the_chain_is_whole_after_a_series_of_actions() -> None:
    some_history()

    verdict = verify()

    assert verdict.broken is None
    assert verdict.entries == Entry.objects.count() == Head.objects.get().sequence
    assert verdict.head == Head.objects.get().hash


def test_each_entry_carries_the_hash_of_the_one_before() -> None:
    some_history()

    previous = "0" * 64
    for entry in Entry.objects.order_by("sequence"):
        assert entry.previous == previous
        assert entry.hash == digest(entry.body())
        previous = entry.hash


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "something nicer"},
        {"actor_name": "somebody else"},
        {"action": "expert.approved"},
        {"subject_name": "another"},
        {"data": {"probes": 99}},
        {"hash": "f" * 64},
    ],
    ids=lambda change: next(iter(change)),
)
def test_tampering_is_found_where_it_was_done(change: dict[str, object]) -> None:
    some_history()

    Entry.objects.filter(sequence=3).update(**change)

    assert verify().broken == 3


def test_a_rewritten_entry_with_a_fitting_hash_breaks_the_next() -> None:
    some_history()
    entry = Entry.objects.get(sequence=3)
    entry.reason = "something nicer"
    entry.hash = digest(entry.body())
    entry.save()

    assert verify().broken == 4


def test_a_missing_entry_is_found() -> None:
    some_history()

    Entry.objects.get(sequence=3).delete()

    assert verify().broken == 3


def test_missing_last_entries_are_found() -> None:
    some_history()
    last = Entry.objects.count()

    Entry.objects.get(sequence=last).delete()

    assert (verify().broken, verify().problem) == (last, "entries at the end are missing")


def test_an_account_that_is_deleted_breaks_nothing() -> None:
    some_history()
    Entry.objects.filter(sequence=1).update(actor=None)

    assert verify().broken is None


def test_an_action_that_nobody_registered_is_refused() -> None:
    priority = make_priority(make_user())

    with pytest.raises(KeyError, match=re.escape("priority.eaten")):
        record(actor=None, action="priority.eaten", subject=priority)


@pytest.mark.django_db(transaction=True)
def test_entries_written_at_once_keep_the_chain() -> None:
    owner = make_user()
    priorities = [make_priority(owner) for _ in range(2)]
    problems: list[BaseException] = []

    def append(number: int) -> None:
        try:
            for _ in range(10):
                record(actor=owner, action="priority.declared", subject=priorities[number])
        except BaseException as error:
            problems.append(error)
        finally:
            connection.close()

    threads = [Thread(target=append, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert verify().broken is None
    assert verify().entries == 22


class TestCommand:
    def test_says_that_the_chain_is_whole(self, capsys: pytest.CaptureFixture[str]) -> None:
        some_history()

        call_command("verify_ledger")

        printed = capsys.readouterr().out
        assert str(Entry.objects.count()) in printed
        assert Head.objects.get().hash in printed

    def test_fails_where_it_is_broken(self) -> None:
        some_history()
        Entry.objects.filter(sequence=3).update(reason="something nicer")

        with pytest.raises(CommandError, match="3"):
            call_command("verify_ledger")
