"""`mixture`: the experts' next-token distributions, averaged by the router's posterior.

    p(t | x, y<i) = sum_e w_e(x) p_e(t | x, y<i)    (mixture of experts, Jacobs et al. 1991)

and after token t the responsibility of each expert for it is exact: w_e p_e(t) / p(t). One base,
one batch with a row for each expert that has a say, the chosen token appended to every row. Needs
the router; costs at most `TEAM` rows a question, one where the router is sure. An expert that
leaves gives its weight to the others in proportion.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from training_workers.engine.pool import Blend, Prompt
from training_workers.engine.routing import Route
from training_workers.engine.strategies.nearest import Routed
from training_workers.engine.strategies.strategy import Level

TEAM = 4


@dataclass(frozen=True)
class MixtureBlend:
    """`weights` of `models` sum to 1."""

    models: tuple[str, ...]
    weights: tuple[float, ...]

    def combine(self, log_probabilities: Tensor) -> Tensor:
        """log sum_e exp(log w_e + log p_e)."""
        return (log_probabilities + self._log_weights(log_probabilities)).logsumexp(dim=0)

    def shares(self, log_probabilities: Tensor) -> dict[str, float]:
        """w_e p_e / sum_e' w_e' p_e'."""
        joint = log_probabilities + self._log_weights(log_probabilities)
        return dict(zip(self.models, joint.softmax(dim=0).tolist(), strict=True))

    def _log_weights(self, like: Tensor) -> Tensor:
        logs = torch.tensor(self.weights, device=like.device, dtype=like.dtype).log()
        return logs.view(-1, *[1] * (like.ndim - 1))


@dataclass(frozen=True)
class Blended(Routed, ABC):
    """What both strategies at the logits share: which models have a say."""

    @abstractmethod
    def blend(self, weights: dict[str, float]) -> Blend:
        """How models with these weights speak together."""

    def prompt(self, text: str, route: Route) -> Prompt:
        """One model alone needs no blend."""
        weights = self.router.posterior(route, TEAM)
        if len(weights) == 1:
            return Prompt(text, next(iter(weights)) or None)
        return Prompt(text, self.blend(weights))


@dataclass(frozen=True)
class Mixture(Blended):
    name: ClassVar[str] = "mixture"
    level: ClassVar[Level] = "logit"
    cost: ClassVar[int] = 3

    def blend(self, weights: dict[str, float]) -> Blend:
        return MixtureBlend(tuple(weights), tuple(weights.values()))
