"""A release's report, as its page shows it.

The report is the JSON that `training_workers.engine.reporting.release_report` made, with what the
composing run added. An earlier site may have written less, so whatever is missing is left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from training_workers.models import ReleaseExpert

MODELS = ("mosaic", "best_single", "monolith", "base")
STRATEGIES = {
    "best_single": "the best single expert answers everything",
    "nearest": "whoever was best on the most similar examples answers",
}


@dataclass(frozen=True)
class Estimate:
    """A mean score in [0, 1] and its 95 % bootstrap interval."""

    score: float
    low: float
    high: float

    @property
    def value(self) -> str:
        return f"{self.score:.2f}"

    @property
    def range(self) -> str:
        return f"{self.low:.2f}\N{EN DASH}{self.high:.2f}"

    @property
    def points(self) -> str:
        """A difference, in points of a hundred, with its sign."""
        return f"{100 * self.score:+.1f} points ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


@dataclass(frozen=True)
class ModelRow:
    """One model's mean over all sealed probes, and how far the mosaic is above it."""

    key: str
    label: str
    estimate: Estimate
    difference: Estimate | None
    p_value: str


@dataclass(frozen=True)
class Cell:
    label: str
    estimate: Estimate | None
    best: bool


@dataclass(frozen=True)
class PriorityRow:
    """One priority: its number of sealed probes and every model's score on them."""

    statement: str
    url: str
    n: int | None
    cells: list[Cell]
    harmed: bool


@dataclass(frozen=True)
class CandidateRow:
    """A strategy that was compared on the select probes."""

    name: str
    meaning: str
    estimate: Estimate | None
    harmed: list[str]
    chosen: bool


@dataclass(frozen=True)
class ExpertRow:
    member: ReleaseExpert
    estimate: Estimate | None
    is_best_single: bool


@dataclass(frozen=True)
class Report:
    """What `training_workers/release_detail.html` says."""

    exists: bool
    n: int | None
    resamples: int | None
    models: list[ModelRow]
    priorities: list[PriorityRow]
    experts: list[ExpertRow]
    candidates: list[CandidateRow]
    sentences: list[str]
    strategy_meaning: str
    why: str
    routing_accuracy: float | None
    expert_tokens: int | None
    monolith_tokens: int | None
    monolith_seconds: float | None
    monolith_sha256: str


def _estimate(data: Any) -> Estimate | None:
    if not isinstance(data, Mapping) or not {"score", "low", "high"} <= data.keys():
        return None
    return Estimate(data["score"], data["low"], data["high"])


def _p_words(p_value: float) -> str:
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _models(data: Mapping[str, Any], labels: Mapping[str, str]) -> list[ModelRow]:
    rows = []
    for key in MODELS:
        estimate = _estimate(data.get("scores", {}).get(key))
        if estimate is None:
            continue
        difference = data.get("differences", {}).get(key, {})
        p_value = difference.get("mcnemar_p")
        rows.append(
            ModelRow(
                key=key,
                label=labels[key],
                estimate=estimate,
                difference=_estimate(difference),
                p_value="" if p_value is None else _p_words(p_value),
            )
        )
    return rows


def _priorities(data: Mapping[str, Any], labels: Mapping[str, str]) -> list[PriorityRow]:
    rows = []
    for statement, scores in data.get("priorities", {}).items():
        found = {key: _estimate(scores.get(key)) for key in (*MODELS, "own")}
        scores_there = [estimate.score for estimate in found.values() if estimate is not None]
        # Where all are alike nobody is best.
        top = max(scores_there) if len(set(scores_there)) > 1 else None
        pk = data.get("priority_ids", {}).get(statement)
        rows.append(
            PriorityRow(
                statement=statement,
                url=reverse("contributions:priority_detail", args=[pk]) if pk else "",
                n=scores.get("n"),
                cells=[
                    Cell(labels[key], estimate, estimate is not None and estimate.score == top)
                    for key, estimate in found.items()
                ],
                harmed=statement in data.get("harmed", []),
            )
        )
    return rows


def _candidates(data: Mapping[str, Any]) -> list[CandidateRow]:
    return [
        CandidateRow(
            name=candidate["name"],
            meaning=STRATEGIES.get(candidate["name"], ""),
            estimate=_estimate(candidate.get("estimate")),
            harmed=list(candidate.get("harmed", [])),
            chosen=candidate["name"] == data.get("strategy"),
        )
        for candidate in data.get("candidates", [])
    ]


def read_report(data: Mapping[str, Any], *, members: Iterable[ReleaseExpert]) -> Report:
    """Arrange a release's report. `members`: the release's, with `expert.owner` at hand."""
    best = str(data.get("best_single", ""))
    names = {str(member.expert_id): member.expert.name for member in members}
    labels = {
        "mosaic": "Mosaic",
        "best_single": f"Best single expert ({names.get(best, 'the base')})",
        "monolith": "Monolith",
        "base": "Base",
        "own": "Its own expert",
    }
    monolith, tokens = data.get("monolith", {}), data.get("tokens", {})
    return Report(
        exists=bool(data.get("scores")),
        n=data.get("n"),
        resamples=data.get("resamples"),
        models=_models(data, labels),
        priorities=_priorities(data, labels | {"best_single": "Best single expert"}),
        experts=[
            ExpertRow(
                member=member,
                estimate=_estimate(data.get("experts", {}).get(str(member.expert_id))),
                is_best_single=str(member.expert_id) == best,
            )
            for member in members
        ],
        candidates=_candidates(data),
        sentences=list(data.get("sentences", [])),
        strategy_meaning=STRATEGIES.get(data.get("strategy", ""), ""),
        why=data.get("why", ""),
        routing_accuracy=data.get("routing_accuracy"),
        expert_tokens=tokens.get("experts"),
        monolith_tokens=tokens.get("monolith"),
        monolith_seconds=monolith.get("seconds"),
        monolith_sha256=monolith.get("sha256", ""),
    )
