"""`best_single`: one model answers everything.

    e* = argmax_e  sum_g w_g acc(e, g)

over the base and the experts, `acc` on the dev items of priority g, which weighs w_g. It is always
built: the fallback that is shipped when nothing beats it. Needs the dev results of each expert;
costs one row a question. An expert that leaves gives way to the next best.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from training_workers.engine.devtable import DevTable, priority_means
from training_workers.engine.pool import BASE, ExpertPool, Prompt
from training_workers.engine.routing import Route
from training_workers.engine.strategies.strategy import Answer, Dev, Level, Steps, asked_once


@dataclass(frozen=True)
class BestSingle:
    name: ClassVar[str] = "best_single"
    level: ClassVar[Level] = "routing"
    cost: ClassVar[int] = 0
    scores: dict[str, float]

    @classmethod
    def fit(cls, dev: Dev) -> Self:
        return cls.of_table(dev.table, dict(dev.weights))

    @classmethod
    def of_table(cls, table: DevTable, weights: dict[str, float] | None = None) -> Self:
        """Scores are means over the priorities, weighted by `weights` (equal if None)."""
        values = priority_means(table.matrix(table.models), table.groups, weights)
        return cls(dict(zip(table.models, values.tolist(), strict=True)))

    def refit(self, dev: Dev) -> Self:
        return self.fit(dev)

    def best(self, allowed: frozenset[str] | None = None) -> str:
        """The best model's name; the base where no expert beats it."""
        scores = self._of(allowed)
        return max(scores, key=lambda name: scores[name])

    def _of(self, allowed: frozenset[str] | None) -> dict[str, float]:
        """The scores of the base and the allowed experts."""
        return {
            name: score
            for name, score in self.scores.items()
            if name == BASE or allowed is None or name in allowed
        }

    def routes(
        self, prompts: Sequence[str], allowed: frozenset[str] | None, pool: ExpertPool
    ) -> list[Route]:
        best = self.best(allowed)
        reason = "It has the best score over all priorities."
        scores = self._of(allowed)
        return [Route(best or None, scores[best], scores, [], reason)] * len(prompts)

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        asked = [Prompt(text, one.route.expert) for text, one in zip(prompts, answers, strict=True)]
        yield from asked_once(pool, asked, answers)

    def likelihood_prompt(
        self, pool: ExpertPool, prompt: str, allowed: frozenset[str] | None = None
    ) -> Prompt:
        return Prompt(prompt, self.best(allowed) or None)

    def state(self) -> dict[str, Any]:
        return {"scores": self.scores}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)
