"""Checking the files that people bring: datasets and probes. Imports no Django.

`check` reads a dataset, says what is right and wrong with it, and writes the normalised rows;
`read_probes`, `parse_typed_probes` and `read_task_probes` do the same for the probes of a priority,
`read_adapter_files` for an adapter that was trained elsewhere.
"""

from contributions.intake.adapter import AdapterLimits, AdapterRefused
from contributions.intake.adapter_files import BroughtAdapter, read_adapter_files
from contributions.intake.check import check
from contributions.intake.findings import Finding
from contributions.intake.limits import PROBE_LIMITS, Limits
from contributions.intake.probes import parse_typed_probes, read_probes
from contributions.intake.report import Report
from contributions.intake.seen import Probes
from contributions.intake.tasks import TaskProbes, is_task, read_task_probes

__all__ = [
    "PROBE_LIMITS",
    "AdapterLimits",
    "AdapterRefused",
    "BroughtAdapter",
    "Finding",
    "Limits",
    "Probes",
    "Report",
    "TaskProbes",
    "check",
    "is_task",
    "parse_typed_probes",
    "read_adapter_files",
    "read_probes",
    "read_task_probes",
]
