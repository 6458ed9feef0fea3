"""What is wrong with this installation, in plain words, and how to mend it.

A check is a function that looks at one thing and says what it found. Each app registers its own
when it is ready, as nobody imports upwards. `manage.py doctor` and the operations page show them.
"""

from mosaic_site.health.registry import (
    Check,
    Finding,
    Severity,
    checks,
    error,
    examine,
    ok,
    register,
    warning,
    worst,
)

__all__ = [
    "Check",
    "Finding",
    "Severity",
    "checks",
    "error",
    "examine",
    "ok",
    "register",
    "warning",
    "worst",
]
