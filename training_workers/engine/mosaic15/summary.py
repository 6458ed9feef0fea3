"""Mosaic-15 over several seeds: the means, and intervals from how the seeds differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from training_workers.engine.mosaic15.tasks import TASKS, TWO_HOP

LEVEL = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with Student's interval of 95 %; a lone seed has none (low = high)."""

    value: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        n = len(values)
        mean = float(np.mean(values))
        if n < 2:
            return cls(mean, mean, mean, n)
        half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
        return cls(mean, mean - half, mean + half, n)

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


Part = Mapping[str, Any]
"""What `experiment.Experiment.part` returned for one seed."""


def scores(main: Sequence[Part]) -> dict[str, Mean]:
    """The mean over fifteen tasks of every model in the reports, by name."""
    names = [name for name in main[0]["report"]["scores"]]
    return {
        name: Mean.of([one["report"]["scores"][name]["score"] for one in main])
        for name in names
        if all(name in one["report"]["scores"] for one in main)
    }


def difference(main: Sequence[Part], rival: str) -> Mean:
    """Mosaic less a rival, in shares of 1."""
    return Mean.of([one["report"]["differences"][rival]["score"] for one in main])


def relative_gain(main: Sequence[Part], rival: str) -> Mean | None:
    """Mosaic over a rival, less 1; None where the rival solves nothing with some seed."""
    pairs = [
        (one["report"]["scores"]["mosaic"]["score"], one["report"]["scores"][rival]["score"])
        for one in main
    ]
    if not all(other for _, other in pairs):
        return None
    return Mean.of([mosaic / other - 1 for mosaic, other in pairs])


def excess(main: Sequence[Part], is_counted: Callable[[str], bool]) -> tuple[Mean, int]:
    """Emergence beyond the hardest rival on the tasks that count, and its problems in all."""
    values, problems = [], 0
    for one in main:
        groups = [
            found
            for task, found in one["report"]["emergence"]["groups"].items()
            if is_counted(task)
        ]
        count = sum(found["n"] for found in groups)
        problems += count
        if count:
            total = sum(found["n"] * found["excess"]["score"] for found in groups)
            values.append(total / count)
    return Mean.of(values or [0.0]), problems


def is_two_hop(task: str) -> bool:
    return TASKS[task].kind == TWO_HOP


def regressions(main: Sequence[Part]) -> tuple[int, int]:
    """How many problems the mosaic fails, of how many that their own expert surely solves."""
    found = [one["report"]["regressions"] for one in main]
    return sum(one["failed"] for one in found), sum(one["n"] for one in found)


def own_priorities(main: Sequence[Part]) -> tuple[int, int, int]:
    """Contributors better off than with the base, not worse off than with their expert alone, and
    all of them, over all seeds."""
    better = kept = count = 0
    for one in main:
        for rows in one["own"].values():
            mean = {name: float(np.mean(of)) for name, of in rows.items()}
            better += mean["mosaic"] > mean["base"]
            kept += mean["mosaic"] >= mean["alone"]
            count += 1
    return better, kept, count


def means(parts: Sequence[Part], keys: Sequence[str], column: str) -> Mean:
    """The mean share right at `parts[seed][key]...[column]`."""
    values = []
    for part in parts:
        found: Any = part
        for key in keys:
            found = found[key]
        values.append(float(np.mean(found[column])))
    return Mean.of(values)


def text(results: Mapping[str, Sequence[Part]]) -> str:
    """All that was measured, as Markdown. `results`: part -> one result a seed."""
    lines: list[str] = []
    if main := results.get("main"):
        lines += _main_lines(main)
    if wide := results.get("wide"):
        lines += ["", f"Pooled monolith at the summed rank: {means(wide, [], 'monolith_wide')}."]
    if strategies := results.get("strategies"):
        lines += ["", "| strategy | test score | rows a question |", "|---|---|---|"]
        for name in strategies[0]:
            rows = np.mean([one[name]["generations"] for one in strategies])
            lines.append(f"| `{name}` | {means(strategies, [name], 'right')} | {rows:.1f} |")
    if curve := results.get("curve"):
        lines += ["", "| contributors | mosaic | pooled | sequential |", "|---|---|---|---|"]
        for count in curve[0]:
            cells = [
                str(means(curve, [count], name)) for name in ("mosaic", "monolith", "sequential")
            ]
            lines.append(f"| {count} | {' | '.join(cells)} |")
    if diversity := results.get("diversity"):
        lines += ["", "| distinct experts of 8 slots | mosaic |", "|---|---|"]
        lines += [
            f"| {k} | {means(diversity, [k], 'mosaic')} |" for k in sorted(diversity[0], key=int)
        ]
    if conflicts := results.get("conflict"):
        lines += ["", "| who wants | own expert only | routed | pooled |", "|---|---|---|---|"]
        for who in conflicts[0]:
            cells = [str(means(conflicts, [who], c)) for c in ("listening", "routed", "monolith")]
            lines.append(f"| {who} | {' | '.join(cells)} |")
    if lies := results.get("malicious"):
        lines += [
            "",
            f"With a malicious contributor: mosaic {means(lies, [], 'mosaic')}, "
            f"pooled monolith {means(lies, [], 'monolith')}.",
        ]
    if leaving := results.get("leaving"):
        same = sum(found["same"] for one in leaving for found in one.values())
        times = sum(len(one) for one in leaving)
        after = Mean.of(
            [float(np.mean([np.mean(f["mosaic"]) for f in one.values()])) for one in leaving]
        )
        lines += [
            "",
            f"One of ten leaves: {same} of {times} times the others' answers are those, letter by "
            f"letter, of a pool that never had the expert; mosaic {after} then.",
        ]
    return "\n".join(lines)


def _main_lines(main: Sequence[Part]) -> list[str]:
    lines = ["| model | mean of 15 tasks | mosaic less it | relative |", "|---|---|---|---|"]
    for name, mean in scores(main).items():
        if name == "mosaic":
            lines.append(f"| **mosaic** | **{mean}** | | |")
            continue
        gain = relative_gain(main, name)
        relative = (
            f"{100 * gain.value:+.1f} % [{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]"
            if gain
            else "–"
        )
        lines.append(f"| {name} | {mean} | {difference(main, name)} | {relative} |")
    for label, counted in (
        ("two-hop", is_two_hop),
        ("single-hop", lambda task: not is_two_hop(task)),
    ):
        mean, problems = excess(main, counted)
        lines += ["", f"Excess emergence, {label}: {mean} on {problems} problems."]
    failed, of = regressions(main)
    better, kept, count = own_priorities(main)
    strategies = sorted({one["strategy"] for one in main})
    share = Mean.of([one["seconds"]["choosing"] / one["seconds"]["evaluating"] for one in main])
    return [
        *lines,
        "",
        f"Regressions: {failed} of {of}.",
        f"On their own priorities {better} of {count} contributors are better off than with the "
        f"base, {kept} not worse off than with their own expert alone.",
        f"Strategy chosen: {', '.join(strategies)}. Fitting and choosing took {share} of the time "
        "of evaluating the experts.",
    ]
