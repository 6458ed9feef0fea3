"""The database: whether it answers, is up to date, and has the same time as this machine."""

import time
from collections.abc import Iterator
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from mosaic_site.health.machine import is_public
from mosaic_site.health.registry import Finding, error, ok, warning

OLDEST_POSTGRESQL = 14
"""https://docs.djangoproject.com/en/5.2/ref/databases/#postgresql-notes"""
SKEW_SECONDS, GRAVE_SKEW_SECONDS = 2.0, 30.0


def database() -> Iterator[Finding]:
    began = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as reason:
        connection.close()
        yield error(
            f"The database does not answer: {_first_line(reason)}",
            "Nothing can be read or written: no page, no vote, no training.",
            "Start it, and see that DATABASE_URL names the right host, port, user and database.",
        )
        return
    took = (time.monotonic() - began) * 1000
    if connection.vendor == "sqlite":
        yield from _sqlite(took)
    else:
        yield from _postgresql(took)


def _sqlite(took: float) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode != "wal":
        yield warning(
            f"SQLite's journal mode is {mode}, not wal.",
            "Readers and writers hold each other up, and pages fail with “database is locked”.",
            'Set "init_command": "PRAGMA journal_mode=WAL;" in the options of DATABASES, and keep '
            "the file on a local disk.",
        )
    elif is_public():
        yield warning(
            "The database is SQLite, and this site is open to others.",
            "It lives on one machine: no worker on another can take part.",
            "Move to PostgreSQL, named in DATABASE_URL.",
        )
    else:
        yield ok(f"SQLite {_sqlite_version()} in WAL mode answers in {took:.0f} ms.")


def _sqlite_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
        return str(cursor.fetchone()[0])


def _postgresql(took: float) -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        version = str(cursor.fetchone()[0])
        cursor.execute(
            "SELECT count(*), current_setting('max_connections')::int,"
            " pg_is_in_recovery() FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        used, most, is_replica = cursor.fetchone()
    if int(version.split(".")[0]) < OLDEST_POSTGRESQL:
        yield error(
            f"PostgreSQL {version} is too old.",
            f"The site is made for {OLDEST_POSTGRESQL} and later.",
            f"Upgrade the server to PostgreSQL {OLDEST_POSTGRESQL} or later.",
        )
    if is_replica:
        yield error(
            "This PostgreSQL is a replica, which cannot be written to.",
            "Every vote, upload and job fails.",
            "Name the primary server in DATABASE_URL, or promote this one.",
        )
    if used >= 0.9 * most:
        yield warning(
            f"{used} of {most} connections to PostgreSQL are in use.",
            "When none is left, pages and workers fail.",
            "Raise max_connections, or put PgBouncer between.",
        )
    yield ok(f"PostgreSQL {version} answers in {took:.0f} ms; {used} of {most} connections in use.")


def migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    loader = executor.loader
    missing = [
        f"{one.app_label}.{one.name}"
        for one, _ in executor.migration_plan(loader.graph.leaf_nodes())
    ]
    unknown = sorted(
        f"{app}.{name}"
        for app, name in set(loader.applied_migrations) - set(loader.disk_migrations)
        if app in loader.migrated_apps
    )
    if missing:
        yield error(
            f"{len(missing)} migrations are not applied, the first is {missing[0]}.",
            "The code expects tables and columns that are not there.",
            "Run `manage.py migrate`.",
        )
    if unknown:
        yield warning(
            f"The database has migrations that this code does not know, such as {unknown[0]}.",
            "It was upgraded by newer code, beside which older code may run for a short time only.",
            "Install the newer version on this machine too.",
        )
    if not (missing or unknown):
        yield ok("All migrations are applied.")


def clock() -> Iterator[Finding]:
    """SQLite has no clock of its own."""
    if connection.vendor == "sqlite":
        yield ok("The database uses this machine's clock.")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs: datetime = cursor.fetchone()[0]
    skew = (timezone.now() - theirs).total_seconds()
    if abs(skew) < SKEW_SECONDS:
        yield ok("This machine and the database have the same time.")
        return
    report = error if abs(skew) >= GRAVE_SKEW_SECONDS else warning
    yield report(
        f"This machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the "
        "database's.",
        "Pages show a wrong time left to vote, and workers are taken for silent, or not.",
        "Have both machines set their clocks by NTP, for example with chrony.",
    )


def _first_line(reason: BaseException) -> str:
    return str(reason).strip().splitlines()[0] if str(reason).strip() else type(reason).__name__
