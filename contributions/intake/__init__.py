"""Checking the files that people bring: datasets and probes. Imports no Django.

`check` reads a dataset, says what is right and wrong with it, and writes the normalised rows;
`read_probes`, `parse_typed_probes` and `read_task_probes` do the same for the probes of a priority.
"""

from contributions.intake.check import check
from contributions.intake.findings import Finding
from contributions.intake.limits import PROBE_LIMITS, Limits
from contributions.intake.probes import parse_typed_probes, read_probes
from contributions.intake.report import Report
from contributions.intake.seen import Probes
from contributions.intake.tasks import TaskProbes, is_task, read_task_probes

__all__ = [
    "PROBE_LIMITS",
    "Finding",
    "Limits",
    "Probes",
    "Report",
    "TaskProbes",
    "check",
    "is_task",
    "parse_typed_probes",
    "read_probes",
    "read_task_probes",
]
