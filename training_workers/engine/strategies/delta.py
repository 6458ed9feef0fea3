"""`delta`: what each expert changes in the base's distribution, added up.

    log p(t) = log p_0(t) + sum_e beta_e(x) (log p_e(t) - log p_0(t)) + const,   t in V

(proxy-tuning, Liu et al. 2024; a product of experts, Hinton 2002), beta the router's posterior. V
holds the tokens that some model finds plausible, max_e p_e(t) >= alpha max_t' p_e(t') (Li et al.
2023): a sum of differences may raise a token that nobody would say. Needs the router; costs a row
for the base and one for each expert with a say. One expert at beta 1 gives itself back where its
own tokens are the plausible ones. An expert that leaves takes its difference along.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from training_workers.engine.pool import BASE, Blend
from training_workers.engine.strategies.mixture import Blended
from training_workers.engine.strategies.strategy import Level

ALPHA = 0.1


@dataclass(frozen=True)
class DeltaBlend:
    """`models` begin with the base; `betas` are those of the rest."""

    models: tuple[str, ...]
    betas: tuple[float, ...]

    def combine(self, log_probabilities: Tensor) -> Tensor:
        base, experts = log_probabilities[0], log_probabilities[1:]
        moved = base + torch.einsum("e...,e->...", experts - base, self._betas(base))
        tops = log_probabilities.amax(dim=-1, keepdim=True)
        plausible = (log_probabilities >= tops + torch.tensor(ALPHA).log()).any(dim=0)
        return moved.masked_fill(~plausible, -torch.inf).log_softmax(dim=-1)

    def shares(self, log_probabilities: Tensor) -> dict[str, float]:
        """By how far each expert raised the token; the base's where none of them did."""
        base, experts = log_probabilities[0], log_probabilities[1:]
        raised = (self._betas(base) * (experts - base)).clamp(min=0)
        total = float(raised.sum())
        if total == 0:
            return {BASE: 1.0}
        return dict(zip(self.models[1:], (raised / total).tolist(), strict=True))

    def _betas(self, like: Tensor) -> Tensor:
        return torch.tensor(self.betas, device=like.device, dtype=like.dtype)


@dataclass(frozen=True)
class Delta(Blended):
    name: ClassVar[str] = "delta"
    level: ClassVar[Level] = "logit"
    cost: ClassVar[int] = 4

    def blend(self, weights: dict[str, float]) -> Blend:
        experts = {name: weight for name, weight in weights.items() if name != BASE}
        return DeltaBlend((BASE, *experts), tuple(experts.values()))
