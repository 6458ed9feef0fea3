"""What every composition strategy is: how it is fitted, how it answers, whom it credits."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self

from training_workers.engine.devtable import DevTable
from training_workers.engine.pool import ExpertPool, Piece, Prompt, Sampling
from training_workers.engine.routing import Route
from training_workers.engine.scoring import Item
from training_workers.engine.tuning import Tuned

FILE = "strategy.json"

Level = Literal["routing", "text", "logit", "weight"]


@dataclass(frozen=True)
class Dev:
    """What a strategy is fitted on: items, who answered them how, and the pool to try things in.

    `tuned` is the router that was chosen on them; `weights` those of the priorities (equal if
    empty); `max_new_tokens` the longest answer.
    """

    items: Sequence[Item]
    table: DevTable
    tuned: Tuned
    pool: ExpertPool
    max_new_tokens: int
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Step:
    """A part of the way to an answer: who was asked what, and what came back."""

    model: str
    asked: str
    answered: str


@dataclass
class Answer:
    """An answer as it grows, and whom it is owed to.

    `credit` gives each model's share in it, summing to 1; `steps` what was asked of whom on the
    way, where that is more than one question; `generations` how many rows were decoded for it.
    Where credit costs forward passes of its own, `settle` works it out for the whole batch once
    its answers are over, and only if somebody asks.
    """

    route: Route
    text: str = ""
    pieces: list[Piece] = field(default_factory=list)
    credit: dict[str, float] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    generations: float = 1.0
    over: bool = False
    settle: Callable[[], None] | None = field(default=None, compare=False)

    def tell(self, text: str, credit: Mapping[str, float]) -> None:
        """Answer all at once."""
        self.text, self.credit, self.over = text, dict(credit), True
        self.pieces = [Piece(text, credit)] if text else []


class Strategy(Protocol):
    """A way to answer with experts, for any subset of those that it was fitted on.

    `level` says where experts meet: a router chooses one, their texts, their distributions or
    their weights are combined. `cost` orders strategies from cheap to dear, where equally many
    rows are decoded. An expert that leaves is out at once: whatever is asked then is answered as
    if `allowed` had never had it.
    """

    name: ClassVar[str]
    level: ClassVar[Level]
    cost: ClassVar[int]

    @classmethod
    def fit(cls, dev: Dev) -> Self: ...

    def refit(self, dev: Dev) -> Self:
        """The same settings, on more dev items."""
        ...

    def routes(
        self, prompts: Sequence[str], allowed: frozenset[str] | None, pool: ExpertPool
    ) -> list[Route]:
        """Whom each prompt would go to first, and why; quick, nothing is generated."""
        ...

    def stream(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        sampling: Sampling,
        allowed: frozenset[str] | None = None,
    ) -> Iterator[list[Answer]]:
        """Answer in one batch; yields the same answers after each step, as they grow."""
        ...

    def likelihood_prompt(
        self, pool: ExpertPool, prompt: str, allowed: frozenset[str] | None = None
    ) -> Prompt:
        """Whose distribution over completions counts as the strategy's. For `text` strategies,
        which have none, that of the expert their router names."""
        ...

    def state(self) -> dict[str, Any]:
        """What `of_state` needs, as JSON."""
        ...

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self: ...


def answer(
    strategy: Strategy,
    pool: ExpertPool,
    prompts: Sequence[str],
    sampling: Sampling,
    allowed: frozenset[str] | None = None,
    at_once: int = 64,
) -> list[Answer]:
    """Whole answers, `at_once` prompts a batch."""
    answers: list[Answer] = []
    for start in range(0, len(prompts), at_once):
        *_, last = strategy.stream(pool, prompts[start : start + at_once], sampling, allowed)
        answers += last
    return answers


def stream_prompts(
    pool: ExpertPool, prompts: Sequence[Prompt], answers: list[Answer], sampling: Sampling
) -> Iterator[list[Answer]]:
    """Let `answers` grow with what one prompt each generates; credit is the mean of the pieces."""
    for growing in pool.stream(prompts, sampling):
        for draft, one, prompt in zip(growing, answers, prompts, strict=True):
            one.text, one.over = draft.text, draft.over
            one.pieces = draft.pieces
            one.generations = len(prompt.voices)
            one.credit = _mean_shares(draft.pieces) or pool.shares(prompt.voices[0])
        yield answers


def _mean_shares(pieces: Sequence[Piece]) -> dict[str, float]:
    """Each piece weighs the same."""
    shares: dict[str, float] = {}
    for piece in pieces:
        for model, share in piece.shares.items():
            shares[model] = shares.get(model, 0.0) + share / len(pieces)
    return shares


def save_strategy(strategy: Strategy, folder: Path) -> None:
    """Write a fitted strategy to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {"name": strategy.name, **strategy.state()}
    (folder / FILE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
