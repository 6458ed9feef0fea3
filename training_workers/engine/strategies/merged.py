"""What both strategies at the weights share: one voice answers everything, and who it is owed to.

A merge has no part that is one expert's, so credit is by leaving each expert out: how much less
likely the answer is without it,

    c_e = max(0, log p_S(y | x) - log p_{S - e}(y | x)),   scaled to sum to 1

which costs a forward pass over the finished answer for each expert.
"""

from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from training_workers.engine.pool import BASE, ExpertPool, Prompt, Sampling
from training_workers.engine.routing import Route
from training_workers.engine.scoring import marked
from training_workers.engine.strategies.strategy import Answer, Dev, Level, Steps, asked_once

LOSS_ITEMS = 32
"""Dev items that a loss is taken over: it is asked for dozens of times."""
HOPE = 0.3
"""How far the plain merge may be behind the router on these before no better one is sought."""


@dataclass(frozen=True)
class Merged(ABC):
    """`weights` of the experts in the merge, 0 for those left out."""

    level: ClassVar[Level] = "weight"
    weights: dict[str, float]

    @abstractmethod
    def voice(self, pool: ExpertPool, experts: Sequence[str]) -> str | Mapping[str, float]:
        """What answers where these experts, one at least, are merged."""

    def routes(
        self, prompts: Sequence[str], allowed: frozenset[str] | None, pool: ExpertPool
    ) -> list[Route]:
        experts = self._experts(allowed)
        scores = {name: self.weights[name] for name in experts}
        reason = (
            f"The weights of {len(experts)} experts were added up to one model, which answers all."
            if experts
            else "None of the experts in the merge may answer."
        )
        return [Route(None, 1.0, scores, [], reason)] * len(prompts)

    def _experts(self, allowed: frozenset[str] | None) -> list[str]:
        return [
            name
            for name, weight in self.weights.items()
            if weight and (allowed is None or name in allowed)
        ]

    def likelihood_prompt(
        self, pool: ExpertPool, prompt: str, allowed: frozenset[str] | None = None
    ) -> Prompt:
        experts = self._experts(allowed)
        return Prompt(prompt, self.voice(pool, experts) if experts else None)

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        asked = [self.likelihood_prompt(pool, text, allowed) for text in prompts]
        settling = self._settle(pool, asked, answers, allowed)
        for one in answers:
            one.settle = settling
        yield from asked_once(pool, asked, answers)

    def _settle(
        self,
        pool: ExpertPool,
        asked: Sequence[Prompt],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Generator[None, None, None]:
        experts = self._experts(allowed)
        for one in answers:
            one.settle = None
        if len(experts) < 2:
            for one in answers:
                one.credit = {experts[0] if experts else BASE: 1.0}
            return
        full = pool.likelihoods([(p, a.text) for p, a in zip(asked, answers, strict=True)])
        losses: list[dict[str, float]] = [{} for _ in answers]
        for name in experts:
            rest = self.voice(pool, [one for one in experts if one != name])
            pairs = [(Prompt(p.text, rest), a.text) for p, a in zip(asked, answers, strict=True)]
            yield
            for row, likelihood in enumerate(pool.likelihoods(pairs)):
                losses[row][name] = full[row].log_probability - likelihood.log_probability
        for one, lost in zip(answers, losses, strict=True):
            gains = {name: max(0.0, loss) for name, loss in lost.items()}
            total = sum(gains.values())
            one.credit = {n: gain / total for n, gain in gains.items()} if total else {BASE: 1.0}


def dev_loss(dev: Dev, voice: str | Mapping[str, float] | None) -> float:
    """Mean negative log-probability of the right answers, in nats a token, on some dev items."""
    stride = max(1, len(dev.items) // LOSS_ITEMS)
    pairs = [(Prompt(item.prompt, voice), item.references[0]) for item in dev.items[::stride]]
    found = dev.pool.likelihoods(pairs)
    return -sum(one.log_probability for one in found) / sum(one.tokens for one in found)


def is_worth_a_search(dev: Dev, voice: str | Mapping[str, float]) -> bool:
    """Whether a plain merge answers some dev items well enough to look for a better one."""
    stride = max(1, len(dev.items) // LOSS_ITEMS)
    items = dev.items[::stride]
    prompts = [Prompt(item.prompt, voice) for item in items]
    texts = dev.pool.generate(prompts, Sampling(max_new_tokens=dev.max_new_tokens))
    right = marked(items, texts)
    return sum(right) / len(right) + HOPE >= float(dev.tuned.solved.mean())
