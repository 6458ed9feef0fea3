"""Checking a dataset, in one pass and with flat memory."""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contributions.intake.batch import Batch
from contributions.intake.duplicates import Found, Kept, SeenRows
from contributions.intake.findings import Findings
from contributions.intake.limits import LIMITS, Limits
from contributions.intake.mapping import EXPECTED
from contributions.intake.overlap import Probes
from contributions.intake.personal import masked
from contributions.intake.preview import preview
from contributions.intake.readers import OpenFile, open_rows
from contributions.intake.report import Report
from contributions.intake.rows_file import write_rows
from contributions.intake.statistics import CountTokens, Statistics
from contributions.intake.words import Bytes, Numbers, Words, digests, sketches, suspects

_EXTENSIONS = {"csv": {"csv", "txt"}, "tsv": {"tsv", "tab", "txt", "csv"},
               "jsonl": {"jsonl", "ndjson", "json", "txt"}, "json": {"json"},
               "parquet": {"parquet", "pq"}, "text": {"txt", "text", "md"}}  # fmt: skip
_PACKED = {"gzip": {".gz"}, "zstd": {".zst", ".zstd"}, "zip": {".zip"}, "": set()}

Thing = TypeVar("Thing")
Which = npt.NDArray[np.bool_]
Progress = Callable[[int, int], None]


def check(
    path: Path,
    *,
    rows_out: Path | None,
    filename: str = "",
    mapping: Mapping[str, Any] | None = None,
    known_probes: Collection[tuple[str, str]] = (),
    sealed_probes: Collection[tuple[str, str]] = (),
    others: Mapping[str, Path] = MappingProxyType({}),
    index_out: Path | None = None,
    count_tokens: CountTokens | None = None,
    limits: Limits = LIMITS,
    on_progress: Progress | None = None,
) -> Report:
    """Check the dataset at `path`; write its usable rows to `rows_out` if it has no errors.

    The format is recognised by content; `filename` is only compared with it. `mapping` says what
    the columns are (see `ColumnMapping`); without one they are recognised by their names.
    `rows_out` becomes JSON Lines of {"prompt", "completion"}, complete or not at all. Rows that
    occur twice, and rows that ask what one of `known_probes` (prompt, answer) asks, are left out
    of it; those that ask what one of `sealed_probes` asks are only counted.

    `others` are indices of other datasets by name, which are compared with this one, and
    `index_out` becomes the index of this one. `count_tokens` gives the tokens of each of some
    texts. `on_progress` is called with (bytes done, size in bytes). Bad content is a finding, never
    an exception; an OSError means that a file could not be read or written.
    """
    run = _Check(path, filename, known_probes, sealed_probes, count_tokens, limits, on_progress)
    with closing(run.kept):
        return run.run(mapping, rows_out, index_out, others)


class _Check:
    """What one check adds up while it reads."""

    def __init__(
        self,
        path: Path,
        filename: str,
        known_probes: Collection[tuple[str, str]],
        sealed_probes: Collection[tuple[str, str]],
        count_tokens: CountTokens | None,
        limits: Limits,
        on_progress: Progress | None,
    ) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.filename = filename
        self.limits = limits
        self.on_progress = on_progress
        self.findings = Findings()
        self.seen = SeenRows()
        self.kept = Kept()
        self.probes, self.sealed = Probes(known_probes), Probes(sealed_probes)
        self.statistics = Statistics(limits.max_labels, count_tokens)
        self.personal: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.others: dict[str, dict[str, int]] = {}
        self.sha256 = ""

    def run(
        self,
        mapping: Mapping[str, Any] | None,
        rows_out: Path | None,
        index_out: Path | None,
        others: Mapping[str, Path],
    ) -> Report:
        part = rows_out and rows_out.with_name(f".{rows_out.name}.{uuid.uuid4().hex}")
        try:
            with (
                ThreadPoolExecutor(max_workers=1) as beside,
                open_rows(self.path, self.findings, self.limits, mapping) as file,
            ):
                sha256 = beside.submit(_sha256, self.path)
                if file is not None:
                    if not file.unclear:
                        self._read(file, part)
                        self._compare(file, others)
                    self._conclude(file)
                self.sha256 = sha256.result()
                report = self._report(file)
            if report.ok and index_out:
                self.kept.write_index(index_out)
            if report.ok and part and rows_out:
                part.replace(rows_out)
        finally:
            if part:
                part.unlink(missing_ok=True)
        return report

    def _read(self, file: OpenFile, part: Path | None) -> None:
        with ExitStack() as stack:
            output = stack.enter_context(part.open("wb")) if part else None
            for batch in _one_ahead(map(_Compared, _one_ahead(self._within(file)))):
                self._take(batch, file, output)
                self._progress(file.reader.bytes_done / max(file.size, 1))
        self._progress(1.0)

    def _within(self, file: OpenFile) -> Iterator[Batch]:
        """The rows up to the most that a file may have."""
        for batch in file.reader.batches():
            within = batch.keep(batch.numbers <= self.limits.max_rows)
            yield within
            if len(within) < len(batch):
                self.findings.add(
                    "error",
                    "The file has too many rows.",
                    expected=f"at most {self.limits.max_rows:,} rows",
                    remedy="Cut it into several files.",
                )
                break

    def _progress(self, share: float) -> None:
        if self.on_progress:
            self.on_progress(int(min(share, 1.0) * self.size), self.size)

    def _take(self, compared: "_Compared", file: OpenFile, output: BinaryIO | None) -> None:
        """Count, compare and write the rows of a batch that are to be kept."""
        batch = compared.batch
        asked = self._asked(self.probes, compared, file)
        sealed = self._asked(self.sealed, compared, file)
        self.found["probe_rows"] += int(asked.sum())
        self.found["sealed_probe_rows"] += int(sealed.sum())

        # A row that is left out as a probe is no first occurrence of anything.
        first = np.zeros(len(batch), np.int64)
        first[~asked] = self.seen.first(compared.digests[~asked], batch.numbers[~asked])
        self._say_duplicates(batch, first)

        keep = ~asked & (first == 0)
        self._look_for_personal_data(compared, keep, file)
        batch = batch.keep(keep)
        self.kept.add(
            batch, compared.digests[keep], compared.of_prompts[keep], compared.sketches[keep]
        )
        self.statistics.add(batch)
        if output and len(batch):
            write_rows(batch.prompt, batch.completion, output)

    def _asked(self, probes: Probes, compared: "_Compared", file: OpenFile) -> Which:
        batch = compared.batch
        asked = probes.asked_in(batch.prompt, compared.prompts)
        if batch.question is not batch.prompt:
            asked |= probes.asked_in(batch.question)
        if file.shape == "plain_text":
            asked |= probes.asked_in(batch.completion, compared.completions)
        return asked

    def _say_duplicates(self, batch: Batch, first: npt.NDArray[np.int64]) -> None:
        for at in np.flatnonzero(first):
            self.found["duplicates"] += 1
            self.findings.add(
                "warning",
                f"The row is the same as row {first[at]}.",
                expected="each example once",
                remedy="Nothing to do: it is left out.",
                row=int(batch.numbers[at]),
                line=int(batch.lines[at]),
                topic="duplicate",
            )

    def _look_for_personal_data(self, compared: "_Compared", keep: Which, file: OpenFile) -> None:
        batch = compared.batch
        mapping = file.reader.mapping
        assert mapping is not None  # there are rows
        names = (mapping.prompt[0] if mapping.prompt else "", mapping.completion or "messages")
        texts_of = (batch.prompt, batch.completion)
        for name, texts, suspect in zip(names, texts_of, compared.suspects, strict=True):
            for at in np.flatnonzero(suspect & keep):
                for kind, count in masked(texts[at].as_py())[1].items():
                    self.personal[kind] += count
                    self.findings.add(
                        "warning",
                        f"There is what looks like personal data or a secret: {kind}.",
                        expected="no data of persons and no keys",
                        remedy="Acknowledge it, or make a masked version.",
                        row=int(batch.numbers[at]),
                        line=int(batch.lines[at]),
                        column=name,
                        topic="personal",
                    )

    def _compare(self, file: OpenFile, others: Mapping[str, Path]) -> None:
        """What can be said of rows only when all of them are known."""
        self.seen = SeenRows()  # what it held is no longer needed, and large
        pa.default_memory_pool().release_unused()
        if file.shape != "plain_text":  # its rows have no prompts that could be the same
            conflicts = self.kept.other_answers()
            self.found["conflicts"] = conflicts.count
            self._say(
                conflicts, "The prompt is the same as in row {}, the answer is another.",
                "one answer to a prompt", "Keep the right one, unless both are right.", "conflict",
            )  # fmt: skip
        alike = self.kept.nearly_the_same()
        self.found["near_duplicates"] = alike.count
        self._say(
            alike, "The row is nearly the same as row {}.",
            "examples that differ", "Keep one of them, unless both are wanted.", "near",
        )  # fmt: skip
        self.others = self.kept.compare(others)

    def _say(self, found: Found, problem: str, expected: str, remedy: str, topic: str) -> None:
        for row, line, earlier in found.listed:
            self.findings.add(
                "warning", problem.format(earlier), expected=expected, remedy=remedy,
                row=row, line=line, topic=topic,
            )  # fmt: skip
        self.findings.add_unlisted("warning", found.count - len(found.listed))

    def _conclude(self, file: OpenFile) -> None:
        """What can be said only at the end, about the file as a whole."""
        if file.unclear:
            self.findings.add(
                "note",
                file.unclear,
                expected=EXPECTED,
                remedy="Say which column is what; the check then goes on.",
            )
        probes = self.found["probe_rows"]
        if probes:
            self.findings.add(
                "warning",
                f"{probes:,} row{'s' if probes > 1 else ''} of this file "
                f"{'are' if probes > 1 else 'is'} among the probes of a priority.",
                expected="no example that is also a probe",
                remedy="Nothing to do: they are left out, so that the evaluation stays honest.",
            )
        chosen = file.reader.mapping
        unused = [name for name in file.reader.names if chosen and name not in chosen.used]
        if unused:
            self.findings.add(
                "note",
                f"Not used: {', '.join(unused[:10])}{', ...' if len(unused) > 10 else ''}.",
                expected="a prompt and an answer",
                remedy="Nothing to do, unless the wrong columns were chosen: then map them anew.",
            )
        rows, labels = self.statistics.rows, self.statistics.labels
        if not rows and not self.findings.count("error") and not file.unclear:
            self.findings.add(
                "error",
                "No row is left to train on." if file.reader.rows_read else "There are no rows.",
                expected="at least one row that is not among the probes",
                remedy="Add rows to the file.",
            )
        if len(labels) == 1 and rows > 1:
            self.findings.add(
                "warning",
                f"All rows have the same answer, {next(iter(labels))[:80]!r}.",
                expected="at least two different answers",
                remedy="Add rows with other answers: nothing can be learned from a single one.",
            )
        if self.statistics.too_many_labels and file.shape == "text_label":
            self.findings.add(
                "warning",
                f"There are more than {self.limits.max_labels:,} different labels.",
                expected="a label that many rows share",
                remedy="Check that the label column is the right one.",
            )
        self._compare_name(file)

    def _compare_name(self, file: OpenFile) -> None:
        name = Path(self.filename)
        if name.suffix.lower() in _PACKED[file.compression]:
            name = name.with_suffix("")
        suffix = name.suffix.lstrip(".").lower()
        if suffix and suffix not in _EXTENSIONS[file.reader.format]:
            self.findings.add(
                "note",
                f"The file is named .{suffix}, its content is {file.reader.format.upper()}.",
                expected=f"a name that ends in .{file.reader.format}",
                remedy="Nothing to do: the content counts.",
            )

    def _report(self, file: OpenFile | None) -> Report:
        count, statistics = self.findings.count, self.statistics
        names = ("duplicates", "near_duplicates", "conflicts", "probe_rows", "sealed_probe_rows")
        columns, rows = preview(file.reader, self.limits) if file else ([], [])
        mapping = file.reader.mapping if file else None
        return Report(
            format=file.reader.format if file else "unknown",
            shape=file.shape if file else "unknown",
            rows=statistics.rows,
            findings=self.findings.listed(),
            counts={
                "errors": count("error"),
                "warnings": count("warning"),
                "notes": count("note"),
                "rows_read": file.reader.rows_read if file else 0,
                **{name: self.found[name] for name in names},
                "labels": len(statistics.labels),
            },
            columns=file.reader.names[: self.limits.max_columns] if file else [],
            labels=statistics.top_labels,
            preview=rows,
            lengths=statistics.lengths,
            sha256=self.sha256,
            size=self.size,
            compression=file.compression if file else "",
            needs_mapping=bool(file and file.unclear),
            mapping=mapping.to_dict() if mapping else None,
            personal=dict(self.personal),
            others=self.others,
            tokens=statistics.tokens,
            tokens_estimated=statistics.tokens_estimated,
            histogram=statistics.histogram,
            preview_columns=columns,
        )


class _Compared:
    """A batch, and the numbers by which its rows are compared with others."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.prompts, self.completions = Words(batch.prompt), Words(batch.completion)
        self.of_prompts: Numbers = digests(batch.prompt, np.zeros(len(batch), np.uint64))
        self.digests: Numbers = digests(batch.completion, self.of_prompts)
        self.sketches: Bytes = sketches(self.prompts, self.completions, self.digests)
        self.suspects = (suspects(batch.prompt), suspects(batch.completion))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _one_ahead(things: Iterator[Thing]) -> Iterator[Thing]:
    """The same things, each made while the one before is being looked at."""
    with ThreadPoolExecutor(max_workers=1) as maker:
        coming = maker.submit(next, things, None)
        while (thing := coming.result()) is not None:
            coming = maker.submit(next, things, None)
            yield thing
