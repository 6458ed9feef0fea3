"""A release's report, as its page shows it.

The report is the JSON that `training_workers.engine.reporting.release_report` made (see
`report.schema.json`), with what the composing run added. An earlier site may have written less, so
whatever is missing is left out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from mosaic_site.display.words import percent
from training_workers.models import ReleaseExpert

MODELS = {
    "mosaic": ("Mosaic", "all experts together, as this release combines them"),
    "base": ("Base", "the shared language model without any expert"),
    "best_single": (
        "Best single expert",
        "the expert that was best on the probes for development; it answers everything",
    ),
    "monolith": (
        "Pooled monolith",
        "one adapter for everybody's pooled data, with as many tokens as all experts together "
        "and the rank of one",
    ),
    "monolith_wide": (
        "Pooled monolith, summed rank",
        "the same with the ranks of all experts together: as large as the mosaic",
    ),
    "sequential": (
        "Sequential monolith",
        "one adapter that goes on learning as contributions arrive, with as many tokens",
    ),
    "general": ("General model", "a larger model without any contributed data"),
    "best_single_resampled": (
        "Best single expert, drawn again",
        "asked as often as the mosaic generates; its most frequent answer counts",
    ),
    "monolith_resampled": (
        "Pooled monolith, drawn again",
        "asked as often as the mosaic generates; its most frequent answer counts",
    ),
    "monolith_chained": (
        "Pooled monolith, same inference",
        "it takes questions apart as the mosaic does, and answers every part itself",
    ),
}
"""How the page calls each model of a report, and what it is."""
SHORT = {
    "base": "Base",
    "best_single": "Best single",
    "monolith": "Pooled",
    "monolith_wide": "Pooled, summed rank",
    "sequential": "Sequential",
    "general": "General",
    "best_single_resampled": "Single, again",
    "monolith_resampled": "Pooled, again",
    "monolith_chained": "Pooled, same inference",
}
"""The same where many stand side by side."""
RIVALS = (
    "best_single", "monolith", "general", "sequential", "monolith_wide", "best_single_resampled",
    "monolith_resampled", "monolith_chained", "base",
)  # fmt: skip
"""As the report's first sentences follow each other: one a rival that was measured."""
OF_PRIORITY = ("mosaic", "base", "own", "best_single", "monolith")
DRAWN_AGAIN = {
    "best_single": "the best single expert",
    "routed": "the expert that the router names",
}
"""The rivals of emergence."""
STRATEGIES = {
    "best_single": "the best single expert answers everything",
    "nearest": "whoever was best on the most similar examples answers",
    "soup": "the experts' weights are added up, and one model answers",
    "ties": "the experts' weights are merged where they agree, and one model answers",
    "mixture": "every word is drawn from the mean of what the likely experts would say",
    "delta": "what the likely experts change in the base's choice of each word is added up",
    "vote": "the likely experts answer, and the answer with most weight behind it wins",
    "refine": "the likely experts write drafts, and one of them the answer",
    "chain": "a part of a question is asked first, and the rest with its answer in it",
}
LEVELS = {
    "routing": "routing: every question goes to one model",
    "text": "text: what several models wrote becomes one answer",
    "logit": "logits: several models choose each word together",
    "weight": "weights: the experts become one model",
}
SEES = {
    "lexical": "the question's words",
    "hidden": "what the base makes of the question (its hidden states)",
    "likelihood": "how likely each expert finds the question",
}
WITHOUT_ROUTER = {"best_single", "soup", "ties"}


@dataclass(frozen=True)
class Estimate:
    """A mean score in [0, 1], or a difference of two, and its interval of 95 %."""

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
    def share(self) -> str:
        return f"{percent(self.score)} ({percent(self.low)} to {percent(self.high)})"

    @property
    def signed(self) -> str:
        """In points of a hundred, with its sign."""
        return f"{100 * self.score:+.1f}"

    @property
    def signed_range(self) -> str:
        return f"{100 * self.low:+.1f}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{100 * self.high:+.1f}"

    @property
    def points(self) -> str:
        return f"{self.signed} points ({self.signed_range})"

    @property
    def tone(self) -> str:
        """The class of a difference whose whole interval is on one side of 0."""
        return "good" if self.low > 0 else "bad" if self.high < 0 else "soft"


@dataclass(frozen=True)
class ModelRow:
    """One model's mean over all sealed probes, and how far the mosaic is above it.

    Without an `estimate` it was not measured, and `missing` says why.
    """

    key: str
    label: str
    meaning: str
    estimate: Estimate | None
    difference: Estimate | None
    gain: str
    gain_range: str
    p_value: str
    missing: str
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A model's score or the mosaic's difference to it; `p_value` is Holm's."""

    label: str
    estimate: Estimate | None
    best: bool = False
    p_value: str = ""


@dataclass(frozen=True)
class PriorityRow:
    """One priority: its number of sealed probes, every model's score on them, and how far the
    mosaic is above each rival there. `weight` is what members gave it, 1 on average."""

    statement: str
    url: str
    n: int | None
    weight: float | None
    cells: list[Cell]
    rivals: list[Cell]
    harmed: bool


@dataclass(frozen=True)
class Emergence:
    """What the mosaic solves of the probes that base and every expert fail."""

    n: int
    of: int
    seeds: int
    budget: int
    enough: int
    badge: bool
    solved: Estimate | None
    excess: Estimate | None
    rival: str
    groups: list[tuple[str, int, Estimate | None, Estimate | None]]
    examples: list[Mapping[str, Any]]


@dataclass(frozen=True)
class CandidateRow:
    """A strategy that was compared on the select probes."""

    name: str
    meaning: str
    level: str
    estimate: Estimate | None
    n: int | None
    generations: float | None
    harmed: list[str]
    given_up: bool
    chosen: bool


@dataclass(frozen=True)
class ExpertRow:
    """`value` is the Shapley value of the expert as a player of its own."""

    member: ReleaseExpert
    estimate: Estimate | None
    value: Estimate | None
    is_best_single: bool


@dataclass(frozen=True)
class OwnerRow:
    """A contributor and the Shapley value of all their experts at once. Where nobody has several it
    is that of their one expert, and there are no rows."""

    owner_id: int
    name: str
    experts: int
    value: Estimate | None


@dataclass(frozen=True)
class Report:
    """What `training_workers/release_detail.html` says. `verdict` are the three sentences that
    matter most, `sentences` the others."""

    exists: bool
    n: int | None
    resamples: int | None
    verdict: list[str]
    sentences: list[str]
    models: list[ModelRow]
    priorities: list[PriorityRow]
    emergence: Emergence | None
    regressions: Mapping[str, Any] | None
    regressed: Estimate | None
    experts: list[ExpertRow]
    owners: list[OwnerRow]
    shapley: Mapping[str, Any] | None
    candidates: list[CandidateRow]
    strategy_meaning: str
    level: str
    sees: str
    generations: float | None
    why: str
    routing_accuracy: float | None
    expert_tokens: int | None


def _estimate(data: Any, score: str = "score") -> Estimate | None:
    if not isinstance(data, Mapping) or not {score, "low", "high"} <= data.keys():
        return None
    return Estimate(data[score], data["low"], data["high"])


def _p_words(p_value: float | None) -> str:
    if p_value is None:
        return ""
    return "<\N{NO-BREAK SPACE}0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _gain_words(gain: Mapping[str, float | None] | None) -> tuple[str, str]:
    """The mosaic's score over a rival's, less 1, and its interval; this is open above where the
    rival may score 0."""
    if not gain:
        return "", ""
    score, low, high = (
        "" if share is None else f"{100 * share:+,.{0 if abs(share) >= 1 else 1}f}"
        for share in (gain["score"], gain["low"], gain["high"])
    )
    return f"{score} %", f"{low} to {high}" if high else f"{low} or more"


def _verdict(data: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The mosaic against the best single expert and against the hardest control, and whom it
    harms; then all other sentences."""
    sentences = list(data.get("sentences", []))
    measured = [rival for rival in RIVALS if rival in data.get("differences", {})]
    controls = [rival for rival in measured if rival not in {"best_single", "base"}]
    hardest = max(controls, key=lambda rival: data["scores"][rival]["score"], default="base")
    first = [
        sentence
        for rival, sentence in zip(measured, sentences, strict=False)
        if rival in {"best_single", hardest}
    ]
    verdict = [*first, *sentences[-1:]]
    return verdict, [sentence for sentence in sentences if sentence not in verdict]


def _models(data: Mapping[str, Any], labels: Mapping[str, str]) -> list[ModelRow]:
    tokens = data.get("tokens", {})
    trained = data.get("controls") or {"monolith": data.get("monolith", {})}
    rows = []
    for key, (_, meaning) in MODELS.items():
        estimate = _estimate(data.get("scores", {}).get(key))
        missing = data.get("missing", {}).get(key, "")
        if estimate is None and not missing:
            continue
        difference = data.get("differences", {}).get(key, {})
        gain, gain_range = _gain_words(difference.get("relative_gain"))
        rows.append(
            ModelRow(
                key=key,
                label=labels[key],
                meaning=meaning,
                estimate=estimate,
                difference=_estimate(difference),
                gain=gain,
                gain_range=gain_range,
                p_value=_p_words(difference.get("mcnemar_p")),
                missing=missing,
                training={"tokens": tokens.get(key), **trained.get(key, {})},
            )
        )
    return rows


def _priorities(data: Mapping[str, Any], labels: Mapping[str, str]) -> list[PriorityRow]:
    rows = []
    for statement, scores in sorted(data.get("priorities", {}).items()):
        found = {key: _estimate(scores.get(key)) for key in OF_PRIORITY}
        scores_there = [estimate.score for estimate in found.values() if estimate is not None]
        # Where all are alike nobody is best.
        top = max(scores_there) if len(set(scores_there)) > 1 else None
        pk = data.get("priority_ids", {}).get(statement)
        rows.append(
            PriorityRow(
                statement=statement,
                url=reverse("contributions:priority_detail", args=[pk]) if pk else "",
                n=scores.get("n"),
                weight=data.get("weights", {}).get(statement),
                cells=[
                    Cell(labels[key], estimate, estimate is not None and estimate.score == top)
                    for key, estimate in found.items()
                ],
                rivals=_against(data, statement),
                harmed=statement in data.get("harmed", []),
            )
        )
    return rows


def _against(data: Mapping[str, Any], statement: str) -> list[Cell]:
    differences = data.get("differences", {})
    cells = []
    for rival in SHORT:
        by_priority = differences.get(rival, {}).get("by_priority", {})
        if statement in by_priority:
            row = by_priority[statement]
            cells.append(Cell(SHORT[rival], _estimate(row), p_value=_p_words(row["holm_p"])))
    return cells


def _emergence(data: Mapping[str, Any] | None, names: Mapping[str, str]) -> Emergence | None:
    if not data:
        return None
    return Emergence(
        **{key: data[key] for key in ("n", "of", "seeds", "budget", "enough", "badge")},
        solved=_estimate(data["solved"]),
        excess=_estimate(data["excess"]),
        rival=DRAWN_AGAIN.get(data["hardest"], data["hardest"]),
        groups=[
            (name, row["n"], _estimate(row["solved"]), _estimate(row["excess"]))
            for name, row in sorted(data["groups"].items())
        ],
        examples=[
            {
                **example,
                "steps": [
                    {"who": names.get(model, "the base"), "asked": asked, "answered": answered}
                    for model, asked, answered in example.get("steps", [])
                ],
            }
            for example in data["examples"]
        ],
    )


def _owners(shapley: Mapping[str, Any], members: Iterable[ReleaseExpert]) -> list[OwnerRow]:
    experts: dict[str, list[ReleaseExpert]] = {}
    for member in members:
        experts.setdefault(str(member.expert.owner_id), []).append(member)
    if all(len(theirs) == 1 for theirs in experts.values()):
        return []
    rows = [
        OwnerRow(
            owner_id=theirs[0].expert.owner_id,
            name=theirs[0].expert.owner.display_name,
            experts=len(theirs),
            value=_estimate(shapley["owners"].get(owner), "value"),
        )
        for owner, theirs in experts.items()
    ]
    return sorted(rows, key=lambda row: -(row.value.score if row.value else 0.0))


def _candidates(data: Mapping[str, Any]) -> list[CandidateRow]:
    return [
        CandidateRow(
            name=candidate["name"],
            meaning=STRATEGIES.get(candidate["name"], ""),
            level=LEVELS.get(candidate.get("level", ""), ""),
            estimate=_estimate(candidate.get("estimate")),
            n=candidate.get("n"),
            generations=candidate.get("generations"),
            harmed=list(candidate.get("harmed", [])),
            given_up=candidate.get("given_up", False),
            chosen=candidate["name"] == data.get("strategy"),
        )
        for candidate in data.get("candidates", [])
    ]


def _labels(data: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    labels = {key: label for key, (label, _) in MODELS.items()}
    labels["best_single"] += f" ({names.get(str(data.get('best_single', '')), 'the base')})"
    if general := data.get("general"):
        labels["general"] += f" ({general['name']}, {general['parameters']:,} parameters)"
    return labels


def read_report(data: Mapping[str, Any], *, members: Iterable[ReleaseExpert]) -> Report:
    """Arrange a release's report. `members`: the release's, with `expert.owner` at hand."""
    members = list(members)
    names = {
        **data.get("expert_names", {}),
        **{str(member.expert_id): member.expert.name for member in members},
    }
    short = {key: label for key, (label, _) in MODELS.items()} | {"own": "Its own expert"}
    verdict, sentences = _verdict(data)
    candidates = _candidates(data)
    strategy = data.get("strategy", "")
    sees = data.get("sees", "")
    shapley = data.get("shapley")
    values = shapley["experts"] if shapley else {}
    regressions = data.get("regressions")
    return Report(
        exists=bool(data.get("scores")),
        n=data.get("n"),
        resamples=data.get("resamples"),
        verdict=verdict,
        sentences=sentences,
        models=_models(data, _labels(data, names)),
        priorities=_priorities(data, short),
        emergence=_emergence(data.get("emergence"), names),
        regressions=regressions,
        regressed=_estimate((regressions or {}).get("share")),
        experts=[
            ExpertRow(
                member=member,
                estimate=_estimate(data.get("experts", {}).get(str(member.expert_id))),
                value=_estimate(values.get(str(member.expert_id)), "value"),
                is_best_single=str(member.expert_id) == data.get("best_single"),
            )
            for member in members
        ],
        owners=_owners(shapley, members) if shapley else [],
        shapley=shapley,
        candidates=candidates,
        strategy_meaning=STRATEGIES.get(strategy, ""),
        level=next((one.level for one in candidates if one.chosen), ""),
        sees="" if strategy in WITHOUT_ROUTER else SEES.get(sees, sees),
        generations=data.get("inference", {}).get("mosaic"),
        why=data.get("why", ""),
        routing_accuracy=data.get("routing_accuracy"),
        expert_tokens=data.get("tokens", {}).get("experts"),
    )
