from __future__ import annotations

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from contributions.forms.fields import DATA_FILES, OnceForm, area
from contributions.intake import PROBE_LIMITS, Finding, parse_typed_probes, read_probes
from mosaic_site.display.words import mib


class PriorityForm(OnceForm):
    """A need and the probes that show whether it is met. After `is_valid`, `pairs` has them."""

    statement = forms.CharField(
        label="What should the model be able to do?",
        help_text="One sentence, for example: Answer questions about our library's opening hours.",
        max_length=200,
    )
    why = forms.CharField(
        label="Why does it matter, and to whom?",
        max_length=2000,
        required=False,
        widget=area(2000),
    )
    typed = forms.CharField(
        label="Probes, typed",
        help_text=(
            "Examples that show whether the need is met, one a line: "
            "<code>prompt =&gt; answer</code>. At least 6; 30 or more give a reliable score. "
            "40 % of them are sealed by lot: nobody sees those again. "
            "Type them here, bring them in a file, or both."
        ),
        required=False,
        strip=False,
        widget=forms.Textarea(
            {"rows": 10, "placeholder": "when does the library open on sundays => closed"}
        ),
    )
    file = forms.FileField(
        label="Probes, from a file",
        help_text="CSV or JSON Lines with a prompt and an answer in each row, "
        f"at most {mib(PROBE_LIMITS.max_bytes)}. They are added to those typed above, if any.",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput({"accept": DATA_FILES, "data-max-bytes": PROBE_LIMITS.max_bytes}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pairs: list[tuple[str, str]] = []
        self.typed_findings: list[Finding] = []
        self.file_findings: list[Finding] = []

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        typed, file = values.get("typed", ""), values.get("file")
        if typed.strip() or not file:
            pairs, self.typed_findings = parse_typed_probes(typed.replace("\r\n", "\n"))
            self._take("typed", pairs, self.typed_findings)
        if file:
            pairs, self.file_findings = _read_uploaded(file)
            self._take("file", pairs, self.file_findings)
        return values

    def _take(self, field: str, pairs: list[tuple[str, str]], findings: list[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        if not errors:
            self.pairs += pairs
        elif len(errors) == 1 and errors[0].row is None:
            self.add_error(field, f"{errors[0].problem} {errors[0].remedy}")
            findings.remove(errors[0])  # said here, so the table need not say it again
        else:
            rows = "1 row" if len(errors) == 1 else f"{len(errors)} rows"
            self.add_error(field, f"{rows} cannot be read. Each is listed below with its remedy.")


def _read_uploaded(file: UploadedFile[bytes]) -> tuple[list[tuple[str, str]], list[Finding]]:
    with NamedTemporaryFile() as copy:
        for chunk in file.chunks():
            copy.write(chunk)
        copy.flush()
        return read_probes(Path(copy.name))
