"""`nearest`: the expert that did best on the dev prompts most like the one asked.

    e(x) = argmax_e s_e(x)      (the base unless an expert is better by a margin)

with the router's shrunken neighbour scores s (`routing.Router`). What the router sees is chosen on
the dev items. Needs the dev results of each expert; costs one row a question. An expert that
leaves takes its own scores with it and changes nobody else's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from training_workers.engine.pool import ExpertPool, Prompt
from training_workers.engine.routing import Route, Router, load_router
from training_workers.engine.strategies.strategy import Answer, Dev, Level, Steps, asked_once


@dataclass(frozen=True)
class Routed:
    """What all strategies with a router share."""

    router: Router

    @classmethod
    def fit(cls, dev: Dev) -> Self:
        return cls(dev.tuned.router)

    def refit(self, dev: Dev) -> Self:
        return replace(self, router=self.router.on(dev.table))

    def routes(
        self, prompts: Sequence[str], allowed: frozenset[str] | None, pool: ExpertPool
    ) -> list[Route]:
        return self.router.route(prompts, allowed, pool)

    def prompt(self, text: str, route: Route) -> Prompt:
        """Who answers a text that is routed so: one expert, unless a strategy says otherwise."""
        return Prompt(text, route.expert)

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        asked = [self.prompt(text, one.route) for text, one in zip(prompts, answers, strict=True)]
        yield from asked_once(pool, asked, answers)

    def likelihood_prompt(
        self, pool: ExpertPool, prompt: str, allowed: frozenset[str] | None = None
    ) -> Prompt:
        return self.prompt(prompt, self.routes([prompt], allowed, pool)[0])

    def state(self) -> dict[str, Any]:
        return {"router": self.router.state()}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(**{**state, "router": load_router(state["router"])})


@dataclass(frozen=True)
class Nearest(Routed):
    name: ClassVar[str] = "nearest"
    level: ClassVar[Level] = "routing"
    cost: ClassVar[int] = 1

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        # A release of an earlier site has the router's fields by themselves.
        return super().of_state(state if "router" in state else {"router": state})
