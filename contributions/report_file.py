"""A report as files to take away: everything as JSON, the findings as CSV."""

import csv
import io
from typing import Any

from contributions.intake import Report
from contributions.models import DatasetVersion

COLUMNS = ("severity", "row", "line", "column", "problem", "expected", "remedy")
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def report_json(version: DatasetVersion, report: Report, *, for_owner: bool) -> dict[str, Any]:
    """What the check found, and what it compared the file with; the owner's own data by name of
    version, which others are not told."""
    comparison = version.comparison.to_dict()
    if not for_owner:
        del comparison["own"]
    return {
        "dataset": str(version.dataset),
        "version": version.number,
        "filename": version.filename,
        "tokens_of": version.tokens_of,
        "report": report.to_dict(),
        "comparison": comparison,
    }


def findings_csv(report: Report) -> str:
    """One finding a line. No cell is a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for finding in report.findings:
        writer.writerow([_cell(getattr(finding, name)) for name in COLUMNS])
    return out.getvalue()


def _cell(value: str | int | None) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
