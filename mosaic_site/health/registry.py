"""Findings, and the checks that make them."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from django.db import DatabaseError, InterfaceError
from redis.exceptions import RedisError


class Severity(StrEnum):
    """From harmless to grave. An error means that something people rely on does not work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """What a check found. Warnings and errors say why it matters and how to mend it."""

    severity: Severity
    what: str
    why: str = ""
    remedy: str = ""
    check: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def ok(what: str) -> Finding:
    return Finding(Severity.OK, what)


def warning(what: str, why: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, what, why, remedy)


def error(what: str, why: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, what, why, remedy)


@dataclass(frozen=True)
class Check:
    """Something to look at.

    `needs` names the checks whose errors make this one pointless; they stand before it. `slow`: it
    reads whole files or tables, and is done only when that is asked for.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    slow: bool = False


_CHECKS: dict[str, Check] = {}


def register(*checks: Check) -> None:
    """Called by each app when it is ready. They are done in the order in which they come."""
    _CHECKS.update((check.name, check) for check in checks)


def checks() -> tuple[Check, ...]:
    """All that are registered, in the order in which they are done."""
    return tuple(_CHECKS.values())


def examine(*, slow: bool = False, only: Collection[str] = ()) -> list[Finding]:
    """Do all checks, the slow ones only if asked, or `only` these. Whatever is broken is a finding,
    no exception."""
    found: list[Finding] = []
    broken: set[str] = set()
    for check in (_CHECKS[name] for name in only or _CHECKS):
        # What it needs has its own finding, which says enough.
        if (check.slow and not slow) or broken.intersection(check.needs):
            continue
        results = [replace(finding, check=check.name) for finding in _looked(check)]
        found += results
        if worst(results) == Severity.ERROR:
            broken.add(check.name)
    return found


def worst(findings: Iterable[Finding]) -> Severity:
    order = list(Severity)
    return max((finding.severity for finding in findings), key=order.index, default=Severity.OK)


def _looked(check: Check) -> list[Finding]:
    try:
        return list(check.look())
    except (DatabaseError, InterfaceError, RedisError, OSError) as reason:
        return [
            error(
                f"This could not be looked at ({str(reason) or type(reason).__name__}).",
                "What it depends on went away in the middle.",
                "Ask again in a minute.",
            )
        ]
