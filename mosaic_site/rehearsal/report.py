"""The report of a rehearsal: as numbers for a machine, as a table for a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from contributions.models import Expert
from training_workers.models import Release

COLUMNS = ("base", "own", "best_single", "monolith", "mosaic")


def summary(release: Release, names: Sequence[str], seconds: float) -> dict[str, Any]:
    """`closed`, `strategy`, `seconds`, `tokens`, `names`, `mean`; scores are shares of 1.

    `intervals` has (low, high) at 95 % for what `names` gives as points. `mean` is taken over
    names. `release` is the whole report that the release's page shows.
    """
    report = release.report
    priority_of = {
        expert.name: next(
            group for group, pk in report["priority_ids"].items() if pk == expert.priority_id
        )
        for expert in Expert.objects.filter(name__in=names)
    }
    rows = {name: report["priorities"][priority_of[name]] for name in names}
    points = {
        name: {
            "n": row["n"],
            **{column: row[column]["score"] if row.get(column) else None for column in COLUMNS},
        }
        for name, row in rows.items()
    }
    return {
        "closed": True,
        "strategy": release.strategy,
        "why": report["why"],
        "seconds": round(seconds, 1),
        "tokens": sum(report["tokens"].values()),
        "names": points,
        "intervals": {
            name: {
                column: [row[column]["low"], row[column]["high"]]
                for column in COLUMNS
                if row.get(column)
            }
            for name, row in rows.items()
        },
        "mean": {column: _mean(points, column) for column in COLUMNS},
        "sentences": report["sentences"],
        "release": report,
    }


def _mean(points: Mapping[str, Mapping[str, float | None]], column: str) -> float | None:
    values = [row[column] for row in points.values()]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def table(summary: Mapping[str, Any]) -> str:
    """The same for a terminal: one line a name, each score with its interval."""
    width = max(len(name) for name in [*summary["names"], "mean"])
    lines = ["", f"{'':{width}}  {'n':>5}  " + "  ".join(f"{c:>17}" for c in COLUMNS)]
    for name, row in summary["names"].items():
        cells = [_cell(row[column], summary["intervals"][name].get(column)) for column in COLUMNS]
        lines.append(f"{name:{width}}  {row['n']:>5}  " + "  ".join(cells))
    means = [_cell(summary["mean"][column], None) for column in COLUMNS]
    lines.append(f"{'mean':{width}}  {'':>5}  " + "  ".join(means))
    report = summary["release"]
    routed = report.get("routing_accuracy")
    lines += [
        "",
        "Scores are shares of exact matches on sealed probes, with Wilson's intervals of 95 %; "
        f"differences have paired bootstrap ones ({report['resamples']:,} resamples, "
        f"seed {report['seed']}).",
        f"Strategy: {summary['strategy']}. {summary['why']}",
        *summary["sentences"],
        *([f"Sealed probes sent to their own priority's expert: {routed:.1%}."] if routed else []),
        f"{summary['tokens']:,} training tokens (all but "
        f"{report['tokens']['experts']:,} of them the controls'), "
        f"{summary['seconds']:.0f} s in all.",
    ]
    return "\n".join(lines)


def _cell(score: float | None, interval: Sequence[float] | None) -> str:
    if score is None:
        return f"{'-':>17}"
    if interval is None:
        return f"{score:>17.3f}"
    return f"{score:.3f} [{interval[0]:.2f},{interval[1]:.2f}]".rjust(17)
