"""The forms with which people bring something. What is typed is checked here, what is meant in
the actions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from contributions.access import versions_trainable_by
from contributions.intake import PROBE_LIMITS, Finding, Limits, parse_typed_probes, read_probes
from contributions.models import DatasetVersion, Licence, Priority
from contributions.recipes import DEFAULT_RANK, RANKS, THOROUGHNESS, recipe_from
from mosaic_site.display.words import mib
from mosaic_site.errors import Refused
from mosaic_site.members.models import User

DATA_FILES = ".csv,.tsv,.jsonl,.ndjson,.txt"


class OnceForm(forms.Form):
    """A form that makes one row however often it is sent."""

    once = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)


def _area(length: int) -> forms.Textarea:
    """A text area that says how many characters are left."""
    return forms.Textarea({"rows": 3, "maxlength": length, "data-counter": ""})


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
        widget=_area(2000),
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


def _data_file() -> forms.FileField:
    limit, limits = settings.MOSAIC_UPLOAD_LIMIT_BYTES, Limits()
    return forms.FileField(
        label="File",
        help_text=(
            f"CSV, TSV or JSON Lines; at most {mib(limit)} and {limits.max_rows:,} rows. "
            "It is recognised by its content, whatever its name."
        ),
        widget=forms.FileInput({"accept": DATA_FILES, "data-max-bytes": limit}),
        error_messages={
            "empty": "This file is empty. Choose one with a header and at least one row.",
            "required": "Choose a file. After an error it has to be chosen again.",
        },
    )


class DatasetForm(OnceForm):
    name = forms.CharField(
        label="Name", help_text="As others will read it in lists and on ballots.", max_length=80
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"] = _data_file()


class VersionForm(OnceForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"] = _data_file()


class CardForm(forms.Form):
    """The card of a dataset. Licence, summary and origin are needed before training."""

    licence = forms.ChoiceField(
        label="Licence",
        choices=[("", "Choose the licence of the data"), *Licence.choices],
        help_text="It travels with every expert that learns from the data.",
    )
    summary = forms.CharField(
        label="What is in it?",
        max_length=2000,
        widget=_area(2000),
        help_text="Who asks, who answers, in which language, about what.",
    )
    origin = forms.CharField(
        label="Where does it come from?",
        max_length=2000,
        widget=_area(2000),
        help_text="Who wrote it or where it was published, and how it was collected.",
    )
    limits = forms.CharField(
        label="What does it not cover?",
        max_length=2000,
        required=False,
        widget=_area(2000),
        help_text="Known gaps, errors and leanings.",
    )


# Not subscriptable at run time.
class _Versions(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: DatasetVersion) -> str:
        owner = obj.dataset.owner.display_name
        return f"{obj} · {obj.rows:,} rows · {obj.dataset.licence} · by {owner}"


class _Recipe(forms.Form):
    """What is to be learnt and how: shared by the first submission and a later one."""

    purpose = forms.CharField(
        label="What is it for?",
        max_length=600,
        widget=_area(600),
        help_text="What it answers and what it does not, for those who vote on it.",
    )
    versions = _Versions(
        label="Data it learns from",
        queryset=DatasetVersion.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one: an expert learns from data."},
    )
    thoroughness = forms.ChoiceField(
        label="How thoroughly?",
        choices=[(name, reading.label) for name, reading in THOROUGHNESS.items()],
        initial="normal",
        widget=forms.RadioSelect,
    )
    rank = forms.TypedChoiceField(
        label="Adapter rank",
        coerce=int,
        choices=[(rank, str(rank)) for rank in RANKS],
        initial=DEFAULT_RANK,
        help_text="A smaller adapter learns less and costs less of a round's budget.",
    )
    learning_rate = forms.FloatField(
        label="Learning rate",
        min_value=1e-6,
        max_value=0.1,
        required=False,
        help_text="Empty: what suits the base.",
        widget=forms.NumberInput({"step": "any"}),
    )
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        initial=0,
        help_text="The same seed gives the same expert.",
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._offered = versions_trainable_by(owner)
        versions = self.fields["versions"]
        assert isinstance(versions, _Versions)
        versions.queryset = self._offered

    def offers(self, version: DatasetVersion) -> bool:
        return self._offered.filter(pk=version.pk).exists()

    def recipe(self) -> dict[str, Any]:
        names = ("thoroughness", "rank", "learning_rate", "seed")
        return recipe_from(**{name: self.cleaned_data[name] for name in names})

    def knobs(self) -> Iterable[forms.BoundField]:
        """What is folded away: few need it."""
        return [self[name] for name in ("rank", "learning_rate", "seed")]

    def has_knob_errors(self) -> bool:
        return any(knob.errors for knob in self.knobs())


class ExpertForm(_Recipe, OnceForm):
    name = forms.CharField(label="Name", max_length=60, help_text="As it will stand on the ballot.")
    priority = forms.ModelChoiceField(
        label="The need it serves",
        queryset=Priority.objects.open(),
        empty_label="Choose a priority",
        help_text="It is scored on the probes of this priority.",
    )

    field_order = ["once", "name", "purpose", "priority", "versions", "thoroughness"]


class ResubmitForm(_Recipe):
    """The same expert again, changed."""


class ReasonForm(forms.Form):
    """The public reason that goes with a verb. Whether one is needed, the action says."""

    reason = forms.CharField(max_length=2000, required=False)

    def typed(self) -> str:
        """The reason, or Refused where it cannot be kept."""
        if not self.is_valid():
            raise Refused(" ".join(map(str, self.errors["reason"])))
        reason: str = self.cleaned_data["reason"]
        return reason
