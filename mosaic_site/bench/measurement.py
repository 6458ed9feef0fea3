"""A measured number beside what it is compared with."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


class NotMeasured(Exception):
    """The measurement could not be made; the message says why."""


@dataclass(frozen=True)
class Measurement:
    """`value` in `unit`, and `other_value`, that of the alternative called `other`.

    `how` says what was done, on how many repetitions and from which seed. `goal` is what `value`
    should reach, in words of the documentation; `met` says whether it does, None without a goal.
    """

    name: str
    value: float
    unit: str
    other: str
    other_value: float
    how: str
    goal: str = ""
    met: bool | None = None

    @property
    def ratio(self) -> float:
        """`value` in units of the alternative."""
        return self.value / self.other_value if self.other_value else math.nan

    def line(self) -> str:
        """One line for a terminal."""
        verdict = f"; goal {self.goal}: {'met' if self.met else 'missed'}" if self.goal else ""
        return (
            f"{self.name}: {number(self.value)} {self.unit}, "
            f"{self.other}: {number(self.other_value)} {self.unit}, "
            f"ratio {self.ratio:.2f}{verdict}. {self.how}"
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"ratio": self.ratio}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Measurement":
        return cls(**{name: value for name, value in data.items() if name != "ratio"})


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(measurements: Sequence[Measurement]) -> str:
    """All of them, as a table that can be pasted into a Markdown page."""
    lines = ["| name | measured | compared with | ratio | goal |", "|---|---|---|---|---|"]
    for one in measurements:
        verdict = f"{one.goal} ({'met' if one.met else 'missed'})" if one.goal else "–"
        lines.append(
            f"| `{one.name}` | {number(one.value)} {one.unit} "
            f"| {number(one.other_value)} {one.unit}: {one.other} | {one.ratio:.2f} | {verdict} |"
        )
    return "\n".join(lines)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(median, low, high): the 95 % interval from order statistics, normal approximation.

    Its ranks are n/2 -+ 1.96 sqrt(n)/2 (Conover, Practical Nonparametric Statistics, 3.2).
    """
    ordered = sorted(values)
    half = 0.98 * math.sqrt(len(ordered))
    low = ordered[max(0, math.floor(len(ordered) / 2 - half))]
    high = ordered[min(len(ordered) - 1, math.ceil(len(ordered) / 2 + half))]
    return statistics.median(ordered), low, high
