from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from contributions.actions import ProbeText
from contributions.forms.fields import DATA_FILES, OnceForm, area
from contributions.intake import (
    PROBE_LIMITS,
    Finding,
    TaskProbes,
    is_task,
    parse_typed_probes,
    read_probes,
    read_task_probes,
)
from contributions.models import Priority
from mosaic_site.display.words import mib

OF_TYPED = (Priority.TaskType.EXACT_MATCH, Priority.TaskType.F1_MATCH)
"""How probes of a prompt and an answer can be scored; choices stand in a task file only."""
LEAST_DEV, LEAST_TEST = 4, 2
"""A task's own split is kept from so many items on: two each to fit, to select and sealed."""


class PriorityForm(OnceForm):
    """A need and the probes that show whether it is met.

    After `is_valid`, `probes` has them and `task_type` says how answers to them are scored.
    """

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
    scored_by = forms.ChoiceField(
        label="When is an answer right?",
        help_text="Where several answers are right, any counts. A task file says this itself.",
        choices=[
            (OF_TYPED[0], "when it says the same, but for case, spaces and final marks"),
            (OF_TYPED[1], "the more words it shares with the right one (F1)"),
        ],
        initial=OF_TYPED[0],
        required=False,
        widget=forms.RadioSelect,
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
        help_text="CSV or JSON Lines with a prompt and an answer in each row, or an evaluation "
        "task in the JSON format of the MoCo toolkit (<code>multiple_choice</code>, "
        "<code>exact_match</code> or <code>f1_match</code>; its <code>test</code> items are "
        f"sealed). At most {mib(PROBE_LIMITS.max_bytes)}. "
        "They are added to those typed above, if any.",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(
            {"accept": f"{DATA_FILES},.json", "data-max-bytes": PROBE_LIMITS.max_bytes}
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.probes: list[ProbeText] = []
        self.task_type = ""
        self.typed_findings: list[Finding] = []
        self.file_findings: list[Finding] = []

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        typed, file = values.get("typed", ""), values.get("file")
        self.task_type = values.get("scored_by") or OF_TYPED[0]
        if typed.strip() or not file:
            pairs, self.typed_findings = parse_typed_probes(typed.replace("\r\n", "\n"))
            self._take("typed", [ProbeText(*pair) for pair in pairs], self.typed_findings)
        if file:
            with NamedTemporaryFile() as copy:
                _copy(file, copy)
                path = Path(copy.name)
                if is_task(path):
                    self._take_task(path)
                else:
                    pairs, self.file_findings = read_probes(path)
                    self._take("file", [ProbeText(*pair) for pair in pairs], self.file_findings)
        return values

    def _take_task(self, path: Path) -> None:
        task, self.file_findings = read_task_probes(path)
        if task.items and self.probes and task.task_type != self.task_type:
            kinds = (Priority.TaskType(kind).label for kind in (self.task_type, task.task_type))
            self.add_error(
                "typed",
                "What you typed is scored by {}, the task in the file by {}. A score is only worth "
                "something in one of them: declare two priorities.".format(*kinds),
            )
        self.task_type = task.task_type
        self._take("file", _probes_of(task), self.file_findings)

    def _take(self, field: str, probes: Sequence[ProbeText], findings: list[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        if not errors:
            self.probes += probes
        elif len(errors) == 1 and errors[0].row is None:
            self.add_error(field, f"{errors[0].problem} {errors[0].remedy}")
            findings.remove(errors[0])  # said here, so the table need not say it again
        else:
            rows = "1 row" if len(errors) == 1 else f"{len(errors)} rows"
            self.add_error(field, f"{rows} cannot be read. Each is listed below with its remedy.")


def _copy(file: UploadedFile[bytes], copy: IO[bytes]) -> None:
    for chunk in file.chunks():
        copy.write(chunk)
    copy.flush()


def _probes_of(task: TaskProbes) -> list[ProbeText]:
    """With the task's own split, unless one of its lists is too short for that."""
    count = Counter(item.split for item in task.items)
    split = count["dev"] >= LEAST_DEV and count["test"] >= LEAST_TEST
    return [
        ProbeText(
            item.prompt, item.answers[0], item.split if split else "", tuple(item.answers[1:])
        )
        for item in task.items
    ]
