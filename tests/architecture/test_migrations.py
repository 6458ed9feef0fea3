"""Migrations are complete, can be taken back, and leave running code what it needs."""

from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import Migration, operations
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.models import CharField, Field

APPS = ("notices", "training_workers", "governance", "contributions", "ledger", "members")


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_every_migration_can_be_taken_back() -> None:
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()
    try:
        for app in APPS[:-2]:
            call_command("migrate", app, "zero", verbosity=0, stdout=StringIO())
        applied = MigrationExecutor(connection).loader.applied_migrations
        assert not [key for key in applied if key[0] in APPS[:-2]]
    finally:
        call_command("migrate", verbosity=0, stdout=StringIO())
    assert MigrationExecutor(connection).migration_plan(newest) == []


# No site runs code older than these, so they may do what they like.
FIRST_RELEASE = {
    "contributions": 10,
    "governance": 5,
    "ledger": 3,
    "members": 4,
    "notices": 1,
    "training_workers": 3,
}
# Code that runs still looks for what these take away or rename.
TAKES_AWAY = (
    operations.RemoveField,
    operations.RenameField,
    operations.DeleteModel,
    operations.RenameModel,
    operations.AlterModelTable,
)


def newer(migrations: Iterable[tuple[tuple[str, str], Migration]]) -> Iterator[Migration]:
    for (app, name), migration in migrations:
        if app in APPS and int(name[:4]) > FIRST_RELEASE[app]:
            yield migration


def breaks_running_code(migration: Migration) -> list[str]:
    """What in it the code of the release before cannot live with (docs/operations.md)."""
    return [
        f"{migration.app_label}.{migration.name}: {operation.describe()}"
        for operation in migration.operations
        if isinstance(operation, TAKES_AWAY)
        or (isinstance(operation, operations.AddField) and not _may_be_left_out(operation.field))
    ]


def _may_be_left_out(field: "Field[Any, Any]") -> bool:
    """Whether rows can be written by code that does not know the column."""
    return field.null or field.has_db_default() or field.many_to_many is True


def test_every_new_migration_runs_under_old_and_new_code() -> None:
    """Or says in `contract` since which release no code needs what it takes away."""
    loader = MigrationLoader(None)
    wrong = [
        line
        for migration in newer(loader.disk_migrations.items())
        if not getattr(migration, "contract", "")
        for line in breaks_running_code(migration)
    ]
    assert not wrong


def test_the_rule_sees_what_breaks_running_code() -> None:
    class Wrong(Migration):
        operations = [
            operations.AddField("job", "colour", CharField(max_length=8, default="red")),
            operations.RemoveField("job", "worker"),
            operations.RenameField("job", "worker", "machine"),
            operations.DeleteModel("job"),
        ]

    class Right(Migration):
        operations = [
            operations.AddField("job", "colour", CharField(max_length=8, null=True)),
            operations.AddField("job", "shape", CharField(max_length=8, db_default="")),
            operations.CreateModel("queue", [("id", CharField(primary_key=True, max_length=8))]),
        ]

    wrong, right = Wrong("9999_wrong", "training_workers"), Right("9999_right", "training_workers")
    key = ("training_workers", "9999_wrong")
    assert list(newer([(key, wrong)])) == [wrong]
    assert len(breaks_running_code(wrong)) == len(wrong.operations)
    assert not breaks_running_code(right)
