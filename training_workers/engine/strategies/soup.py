"""`soup`: the experts' weights, added up.

    W = W_0 + sum_e w_e dW_e,   dW_e = B_e A_e            (model soups, Wortsman et al. 2022)

exactly: no cross terms A_i B_j. Tried on dev data, from cheap to dear: uniform weights, greedy
weights, and a gradient-free search that goes on from the better of the two (LoraHub, Huang et al.
2023), each only by the loss of the right answers, through the adapters' scales, nothing merged for
a trial. Needs no router; costs one row a question with the summed rank of the experts
(`compressed` makes it one adapter of any rank). An expert that leaves takes its term along; the
others' weights grow in proportion, so that one expert alone has weight 1 if all had.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from training_workers.engine.pool import ExpertPool
from training_workers.engine.searching import greedy_soup, searched_soup
from training_workers.engine.strategies.merged import Merged, dev_loss, is_worth_a_search
from training_workers.engine.strategies.strategy import Dev

EVALUATIONS = 24
MOST_EXPERTS = 12
"""Of more than these, those with the lowest loss alone are weighed; the others are left out."""


@dataclass(frozen=True)
class Soup(Merged):
    name: ClassVar[str] = "soup"
    cost: ClassVar[int] = 2

    @classmethod
    def fit(cls, dev: Dev) -> Self:
        names = dev.table.experts
        uniform = dict.fromkeys(names, 1 / max(1, len(names)))
        if len(names) < 2 or not is_worth_a_search(dev, uniform):
            return cls(uniform)

        def loss(weights: Mapping[str, float]) -> float:
            return dev_loss(dev, {name: weight for name, weight in weights.items() if weight})

        alone = {name: dev_loss(dev, name) for name in names}
        best = sorted(names, key=lambda name: alone[name])[:MOST_EXPERTS]
        greedy = greedy_soup(best, loss, {name: alone[name] for name in best})
        searched = searched_soup(best, min((uniform, greedy), key=loss), loss, EVALUATIONS)
        return cls({name: searched.get(name, 0.0) for name in names})

    def refit(self, dev: Dev) -> Self:
        return self

    def voice(self, pool: ExpertPool, experts: Sequence[str]) -> Mapping[str, float]:
        # By size: where weights of both signs nearly cancel, their sum would blow up the rest.
        total = sum(map(abs, self.weights.values()))
        here = sum(abs(self.weights[name]) for name in experts)
        scale = total / here if here else 1.0
        return {name: self.weights[name] * scale for name in experts}

    def state(self) -> dict[str, Any]:
        return {"weights": self.weights}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**state)
