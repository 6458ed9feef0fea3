"""Checking the files that people bring: datasets and probes. Imports no Django.

`check` reads a dataset, says what is right and wrong with it, and writes the normalised rows;
`sample` takes a first look at it, `mask` copies it without personal data. `read_probes`,
`parse_typed_probes` and `read_task_probes` read the probes of a priority, `read_adapter_files` an
adapter that was trained elsewhere. `conversation` makes a prompt of messages, as the readers do.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contributions.intake.adapter import AdapterLimits, AdapterRefused
from contributions.intake.adapter_files import BroughtAdapter, read_adapter_files
from contributions.intake.findings import Finding
from contributions.intake.limits import PROBE_LIMITS, Limits
from contributions.intake.probes import parse_typed_probes, read_probes
from contributions.intake.report import Report
from contributions.intake.sampling import Sample, sample
from contributions.intake.shapes import ROLES, conversation
from contributions.intake.tasks import TaskProbes, is_task, read_task_probes

if TYPE_CHECKING:
    from contributions.intake.checking import check
    from contributions.intake.masking import mask
    from contributions.intake.overlap import Probes

__all__ = [
    "PROBE_LIMITS",
    "ROLES",
    "AdapterLimits",
    "AdapterRefused",
    "BroughtAdapter",
    "Finding",
    "Limits",
    "Probes",
    "Report",
    "Sample",
    "TaskProbes",
    "check",
    "conversation",
    "is_task",
    "mask",
    "parse_typed_probes",
    "read_adapter_files",
    "read_probes",
    "read_task_probes",
    "sample",
]

# What workers do is imported when it is asked for: its compiler would cost the web process, which
# never compares rows, a second and a hundred MiB.
_OF_WORKERS = {"check": "checking", "mask": "masking", "Probes": "overlap"}


def __getattr__(name: str) -> Any:
    if name not in _OF_WORKERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_OF_WORKERS[name]}"), name)
