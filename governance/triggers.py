"""What the database itself refuses, on SQLite and on PostgreSQL, whoever asks.

Entries of a ballot box are never changed or deleted; a ballot only changes while its round is
open; what a freeze fixed stays fixed.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

FIXED = (
    "budget_bytes",
    "quorum",
    "rule",
    "floor",
    "freezes_at",
    "opens_at",
    "closes_at",
    "lot_seed",
    "electors_root",
)
"""Columns of a round that nothing changes once `electors_root` is set."""

_OPEN = "(SELECT status FROM governance_round WHERE id = {row}.round_id) = 'open'"
_SETUP = "EXISTS (SELECT 1 FROM governance_boxentry WHERE round_id = {row}.round_id)"

# name -> table, event, the condition under which it is refused, and what is said.
GUARDS: dict[str, tuple[str, str, str, str]] = {
    "box_no_update": (
        "governance_boxentry", "UPDATE", "1 = 1", "an entry of a ballot box is never changed",
    ),
    "box_no_delete": (
        "governance_boxentry", "DELETE", "1 = 1", "an entry of a ballot box is never deleted",
    ),
    "ballot_in_time": (
        "governance_ballot", "INSERT", f"NOT {_OPEN}".format(row="NEW"),
        "a ballot is cast while its round is open",
    ),
    "ballot_change_in_time": (
        "governance_ballot", "UPDATE", f"NOT {_OPEN}".format(row="OLD"),
        "a ballot changes while its round is open",
    ),
    "ballot_no_delete": (
        "governance_ballot", "DELETE", "1 = 1", "a ballot is never deleted",
    ),
    "round_fixed": (
        "governance_round", "UPDATE",
        "OLD.electors_root <> '' AND ("
        + " OR ".join(f"OLD.{name} <> NEW.{name}" for name in FIXED)
        + ")",
        "a frozen round is never changed",
    ),
    "candidate_fixed": (
        "governance_candidate", "UPDATE", "1 = 1", "a candidate is never changed",
    ),
    "candidate_no_delete": (
        "governance_candidate", "DELETE", "1 = 1", "a candidate is never taken away",
    ),
    "candidate_in_time": (
        "governance_candidate", "INSERT", _SETUP.format(row="NEW"),
        "the candidates of a frozen round are fixed",
    ),
    "question_fixed": (
        "governance_question", "UPDATE", "1 = 1", "a question is never changed",
    ),
    "question_in_time": (
        "governance_question", "INSERT", _SETUP.format(row="NEW"),
        "the questions of a frozen round are fixed",
    ),
    "elector_in_time": (
        "governance_elector", "INSERT", _SETUP.format(row="NEW"),
        "the electorate of a frozen round is fixed",
    ),
    "elector_no_delete": (
        "governance_elector", "DELETE", _SETUP.format(row="OLD"),
        "the electorate of a frozen round is fixed",
    ),
}  # fmt: skip


def install(connection: BaseDatabaseWrapper) -> None:
    """Create all guards that are not there."""
    remove(connection)
    with connection.cursor() as cursor:
        for name, (table, event, condition, problem) in GUARDS.items():
            for statement in _create(connection.vendor, name, table, event, condition, problem):
                cursor.execute(statement)


def remove(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        for name in GUARDS:
            if connection.vendor == "postgresql":
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def _create(
    vendor: str, name: str, table: str, event: str, condition: str, problem: str
) -> list[str]:
    if vendor == "sqlite":
        return [
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{problem}'); END"
        ]
    refusal = f"RAISE EXCEPTION '{problem}' USING ERRCODE = 'check_violation'; END IF;"
    function = f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    trigger = f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW"
    if event != "DELETE":
        return [
            f"{function} IF {condition} THEN {refusal} RETURN NEW; END $$",
            f"{trigger} EXECUTE FUNCTION {name}()",
        ]
    # TRUNCATE deletes without looking at rows, so it is always refused.
    return [
        f"{function} IF TG_OP = 'TRUNCATE' THEN {refusal} "
        f"IF {condition} THEN {refusal} RETURN OLD; END $$",
        f"{trigger} EXECUTE FUNCTION {name}()",
        f"CREATE TRIGGER {name}_at_once BEFORE TRUNCATE ON {table} EXECUTE FUNCTION {name}()",
    ]
