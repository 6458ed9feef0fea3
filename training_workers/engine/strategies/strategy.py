"""What every composition strategy is: how it is fitted, how it answers, whom it credits."""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from training_workers.engine.devtable import DevTable
from training_workers.engine.pool import Draft, ExpertPool, OpenBatch, Piece, Prompt, Sampling
from training_workers.engine.routing import Route
from training_workers.engine.scoring import Item
from training_workers.engine.tuning import Tuned

FILE = "strategy.json"

Level = Literal["routing", "text", "logit", "weight"]

R = TypeVar("R")

Steps = Generator[Sequence[Prompt], list[Draft], None]
"""The way to some answers. It asks prompts by yielding them and is sent their drafts at once, which
grow from then on; it is resumed after every token of theirs, and yields nothing where it has
nothing more to ask yet. So whoever drives it can drive many, each at its own pace, in one batch.
"""


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
    way, where that is more than one question; `generations` how many rows were decoded for it;
    `finish` why it ended (see `Draft`); `draft` what it grows with, where it is one generation.
    Where credit costs forward passes of its own, `settle` works it out for the whole batch once
    its answers are over, a pass each time that it is resumed, and only if somebody asks.
    """

    route: Route
    text: str = ""
    pieces: list[Piece] = field(default_factory=list)
    credit: dict[str, float] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    generations: float = 1.0
    over: bool = False
    finish: str = ""
    draft: Draft | None = field(default=None, compare=False)
    settle: Generator[None, None, None] | None = field(default=None, compare=False)

    def tell(self, text: str, credit: Mapping[str, float], finish: str) -> None:
        """Answer all at once."""
        self.text, self.credit, self.over, self.finish = text, dict(credit), True, finish
        self.pieces = [Piece(text, credit)] if text else []


def settle(answers: Sequence[Answer]) -> None:
    """Work out all credit that is still to be worked out."""
    for one in answers:
        for _ in one.settle or ():
            pass


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

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        """Let `answers`, which have their routes, grow until they are over."""
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


class Run(Generic[R]):
    """Steps at work in an open batch, together with whatever else is in it.

    `sampling` is that of all prompts that are asked; `result` what the steps return in the end.
    Raises what asking them may.
    """

    result: R

    def __init__(
        self,
        steps: Generator[Sequence[Prompt], list[Draft], R],
        batch: OpenBatch,
        sampling: Sampling,
        *,
        watched: bool = True,
    ) -> None:
        self._steps, self._batch, self._sampling = steps, batch, sampling
        self._watched = watched
        self._drafts: list[Draft] = []
        self.over = False
        self._ask(lambda: next(steps))

    def go_on(self) -> None:
        """Take up what has grown since."""
        self._ask(lambda: self._steps.send([]))

    def stop(self) -> None:
        """Give up what is still being made for it."""
        self._batch.leave(self._drafts)
        self._steps.close()
        self.over = True

    @property
    def is_lost(self) -> bool:
        """Whether the batch let go of something that was still being made for it."""
        return any(not draft.over and draft not in self._batch for draft in self._drafts)

    def _ask(self, resume: Callable[[], Sequence[Prompt]]) -> None:
        try:
            wanted = resume()
            while wanted:
                self._drafts = self._batch.join(wanted, self._sampling, watched=self._watched)
                wanted = self._steps.send(self._drafts)
        except StopIteration as end:
            self.result, self.over = end.value, True


def run_alone(
    steps: Generator[Sequence[Prompt], list[Draft], R], pool: ExpertPool, sampling: Sampling
) -> R:
    """What `steps` return, in a batch of their own that nobody watches."""
    batch = OpenBatch(pool)
    run = Run(steps, batch, sampling, watched=False)
    while not run.over:
        batch.step()
        run.go_on()
    return run.result


def whole(prompts: Sequence[Prompt]) -> Generator[Sequence[Prompt], list[Draft], list[Draft]]:
    """Ask `prompts` and wait until their drafts are over."""
    if not prompts:
        return []
    drafts = yield prompts
    while not all(draft.over for draft in drafts):
        yield ()
    return drafts


def stream(
    strategy: Strategy,
    pool: ExpertPool,
    prompts: Sequence[str],
    sampling: Sampling,
    allowed: frozenset[str] | None = None,
) -> Iterator[list[Answer]]:
    """Answer in one batch; yields the same answers after each step, as they grow."""
    answers = [Answer(route) for route in strategy.routes(prompts, allowed, pool)]
    batch = OpenBatch(pool)
    run = Run(strategy.steps(pool, prompts, answers, allowed), batch, sampling)
    while not run.over:
        batch.step()
        run.go_on()
        if not run.over:
            yield answers
    yield answers


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
        some = prompts[start : start + at_once]
        *_, last = stream(strategy, pool, some, sampling, allowed)
        answers += last
    return answers


def asked_once(pool: ExpertPool, prompts: Sequence[Prompt], answers: Sequence[Answer]) -> Steps:
    """Let `answers` grow with what one prompt each generates; credit is the mean of the pieces."""
    if not prompts:
        return
    drafts = yield prompts
    while True:
        for draft, one, prompt in zip(drafts, answers, prompts, strict=True):
            one.draft, one.pieces = draft, draft.pieces
            one.text, one.over, one.finish = draft.text, draft.over, draft.finish
            one.generations = len(prompt.voices)
            one.credit = _mean_shares(draft.pieces) or pool.shares(prompt.voices[0])
        if all(draft.over for draft in drafts):
            return
        yield ()


def _mean_shares(pieces: Sequence[Piece]) -> dict[str, float]:
    """Each piece of text weighs the same."""
    shares: dict[str, float] = {}
    told = [piece for piece in pieces if piece.text]
    for piece in told:
        for model, share in piece.shares.items():
            shares[model] = shares.get(model, 0.0) + share / len(told)
    return shares


def save_strategy(strategy: Strategy, folder: Path) -> None:
    """Write a fitted strategy to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {"name": strategy.name, **strategy.state()}
    (folder / FILE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
