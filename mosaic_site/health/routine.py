"""The checks done by a worker every minute and kept for the operations page, which so costs nothing
and waits for nobody."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mosaic_site.health.registry import Finding, Severity, examine
from mosaic_site.monitoring.measures import connect

KEY = "mosaic:examined"
KEPT_SECONDS = 300


@dataclass(frozen=True)
class Examined:
    """What was found, and when: seconds since the epoch."""

    at: float
    findings: Sequence[Finding]

    @property
    def seconds_ago(self) -> float:
        return max(0.0, time.time() - self.at)

    @property
    def troubles(self) -> list[Finding]:
        """The errors, then the warnings."""
        graver = [one for one in self.findings if one.severity == Severity.ERROR]
        return graver + [one for one in self.findings if one.severity == Severity.WARNING]


def examine_and_keep() -> None:
    """Raises RedisError or OSError where they cannot be kept."""
    findings = [one.as_dict() for one in examine()]
    with connect() as connection:
        text = json.dumps({"at": time.time(), "findings": findings})
        connection.set(KEY, text, ex=KEPT_SECONDS)


def newest() -> Examined | None:
    """What was found last; None where nobody has looked lately. Raises RedisError or OSError."""
    with connect() as connection:
        text = connection.get(KEY)
    if text is None:
        return None
    kept = json.loads(text)
    found = [Finding(**one | {"severity": Severity(one["severity"])}) for one in kept["findings"]]
    return Examined(kept["at"], found)
