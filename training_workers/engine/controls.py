"""The controls of a release: what a community could have trained instead, by the same code.

All read as many tokens as the experts together:

- the *pooled monolith*: everybody gives up their data, one model learns it all at once; with the
  rank of one expert, which serves at the same cost, and with the rank of all of them together;
- the *sequential monolith*: one model that goes on learning as contributions arrive, each one's
  share of the tokens in its turn, and forgets as it will (McCloskey & Cohen 1989).

The *general monolith*, a larger model without contributed data, is trained elsewhere: a registered
base, or `build_pocket` with more parameters.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training_workers.engine.bases import Base
from training_workers.engine.data import Example
from training_workers.engine.training import Progress, Recipe, Trained, train_adapter

MANY_PASSES = 1000
"""Controls read their data as often as their tokens allow."""

Watch = Callable[[str, Progress], None]


@dataclass(frozen=True)
class Contribution:
    """What one expert learnt from, and how many tokens it read."""

    name: str
    examples: Sequence[Example]
    tokens: int
    rank: int


@dataclass(frozen=True)
class Trainer:
    """How controls are trained: on `base`, into folders below `out`.

    `watch` is told the control's name and its progress, `should_stop` asked before every step.
    """

    base: Base
    out: Path
    watch: Watch = lambda name, progress: None
    should_stop: Callable[[], bool] = lambda: False
    on_less_memory: Callable[[int], None] = lambda rows: None
    seed: int = 0
    threads: int = 1

    def pooled(self, contributions: Sequence[Contribution], wide: bool = False) -> Trained:
        """The pooled monolith, in `monolith` or, at the summed rank, in `monolith_wide`."""
        ranks = [one.rank for one in contributions]
        rows = [example for one in contributions for example in one.examples]
        return self._train(
            "monolith_wide" if wide else "monolith",
            list(dict.fromkeys(rows)),
            sum(ranks) if wide else max(ranks),
            sum(one.tokens for one in contributions),
        )

    def sequential(self, contributions: Sequence[Contribution]) -> Trained:
        """The sequential monolith, in `sequential`: contributions in the order given."""
        rank = max(one.rank for one in contributions)
        start: Path | None = None
        parts = []
        for number, one in enumerate(contributions):
            name = "sequential" if number == len(contributions) - 1 else f"sequential-{number}"
            parts.append(self._train(name, one.examples, rank, one.tokens, start))
            start = self.folder(name)
        return replace(
            parts[-1],
            tokens=sum(part.tokens for part in parts),
            seconds=sum(part.seconds for part in parts),
        )

    def folder(self, name: str) -> Path:
        return self.out / name

    def _train(
        self,
        name: str,
        examples: Sequence[Example],
        rank: int,
        tokens: int,
        start: Path | None = None,
    ) -> Trained:
        # By lot, so that a budget below one reading leaves nobody out.
        rows = list(examples)
        random.Random(self.seed).shuffle(rows)
        return train_adapter(
            self.base,
            rows,
            Recipe(
                rank=rank, alpha=2 * rank, passes=MANY_PASSES, max_tokens=tokens, seed=self.seed
            ),
            out=self.folder(name),
            work=self.out / "work" / name,
            on_progress=lambda progress: self.watch(name, progress),
            should_stop=self.should_stop,
            on_less_memory=self.on_less_memory,
            start=start,
            threads=self.threads,
        )
