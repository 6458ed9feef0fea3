"""`ties`: the experts' weights, merged where they agree.

Each expert's update is trimmed to its largest entries, a sign is elected for every entry by
weight, and the entries with that sign are averaged (TIES-merging, Yadav et al. 2023;
`merging.ties`). The result is brought back to an adapter by a truncated SVD. The density is chosen
on dev data by the loss of the right answers. Needs no router; costs one row a question. An expert
that leaves makes a new merge necessary: it is made at once, from the adapters of the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from training_workers.engine.merging import ties
from training_workers.engine.pool import ExpertPool
from training_workers.engine.strategies.merged import Merged, dev_loss, is_worth_a_search
from training_workers.engine.strategies.strategy import Dev

DENSITIES = (0.2, 0.5)
MOST_RANK = 128


@dataclass(frozen=True)
class Ties(Merged):
    name: ClassVar[str] = "ties"
    cost: ClassVar[int] = 2
    density: float = DENSITIES[0]

    @classmethod
    def fit(cls, dev: Dev) -> Self:
        names = dev.table.experts
        one = cls(dict.fromkeys(names, 1.0))
        if len(names) < 2 or not is_worth_a_search(dev, one.voice(dev.pool, names)):
            return one
        tried = {
            density: dev_loss(dev, replace(one, density=density).voice(dev.pool, names))
            for density in DENSITIES
        }
        return replace(one, density=min(tried, key=lambda density: tried[density]))

    def refit(self, dev: Dev) -> Self:
        return self

    def voice(self, pool: ExpertPool, experts: Sequence[str]) -> str:
        if len(experts) == 1:
            return experts[0]
        adapters = [pool.adapters[name] for name in experts]
        rank = min(MOST_RANK, sum(adapter.rank for adapter in adapters))
        weights = [self.weights[name] for name in experts]
        return pool.merged(
            f"ties {self.density}",
            experts,
            lambda: ties(adapters, weights, self.density, rank)[0],
        )

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights, "density": self.density}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)
