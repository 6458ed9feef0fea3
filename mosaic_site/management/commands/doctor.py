"""`manage.py doctor`: what is wrong with this installation, in plain words, and how to mend it."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mosaic_site.health import Finding, Severity, examine, worst

MARKS = {Severity.OK: "ok     ", Severity.WARNING: "WARNING", Severity.ERROR: "ERROR  "}


class Command(BaseCommand):
    help = (
        "Tells what is wrong with this installation and how to mend it. "
        "Exits with 1 where something people rely on does not work."
    )
    requires_system_checks = ()  # what they would say is among the findings

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--full", action="store_true", help="also what reads whole files and the whole ledger"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine(slow=options["full"])
        if options["json"]:
            self.stdout.write(json.dumps([one.as_dict() for one in findings], indent=1))
        else:
            for finding in findings:
                self._tell(finding)
            self._sum_up(findings)
        if worst(findings) == Severity.ERROR:
            raise SystemExit(1)

    def _tell(self, finding: Finding) -> None:
        style = {
            Severity.OK: self.style.SUCCESS,
            Severity.WARNING: self.style.WARNING,
            Severity.ERROR: self.style.ERROR,
        }[finding.severity]
        self.stdout.write(f"{style(MARKS[finding.severity])} {finding.check}: {finding.what}")
        if finding.why:
            self.stdout.write(f"        Why it matters: {finding.why}")
            self.stdout.write(f"        What to do: {finding.remedy}")

    def _sum_up(self, findings: list[Finding]) -> None:
        errors, warnings = (
            sum(one.severity == severity for one in findings)
            for severity in (Severity.ERROR, Severity.WARNING)
        )
        if errors or warnings:
            self.stdout.write(
                f"{errors} errors, {warnings} warnings. docs/troubleshooting.md says more."
            )
        else:
            self.stdout.write("All is well.")
