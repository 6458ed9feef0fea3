"""Checking the files that people bring: datasets and probes. Imports no Django.

`check` reads a dataset, says what is right and wrong with it, and writes the normalised rows;
`read_probes` and `parse_typed_probes` do the same for the probes of a priority.
"""

from contributions.intake.check import check
from contributions.intake.findings import Finding
from contributions.intake.limits import PROBE_LIMITS, Limits
from contributions.intake.probes import parse_typed_probes, read_probes
from contributions.intake.report import Report
from contributions.intake.sample import Sample, sample
from contributions.intake.seen import Probes

__all__ = [
    "PROBE_LIMITS",
    "Finding",
    "Limits",
    "Probes",
    "Report",
    "Sample",
    "check",
    "parse_typed_probes",
    "read_probes",
    "sample",
]
