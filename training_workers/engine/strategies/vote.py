"""`vote`: several experts answer, and the answer with most weight behind it wins.

    a(x) = argmax_a  sum_e w_e(x) 1[a_e(x) = a]    (weighted majority, Littlestone & Warmuth 1994)

for closed-form answers, which are compared as the scores compare them (`scoring.normalised`). The
weights are local: the router's posterior. Needs the router; costs one row for each expert with a
say, `team` at most, which is chosen on the dev items. Credit is the share of the winning weight.
An expert that leaves takes its vote along.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from training_workers.engine.devtable import priority_means
from training_workers.engine.pool import ExpertPool, Prompt
from training_workers.engine.routing import Route
from training_workers.engine.scoring import normalised
from training_workers.engine.strategies.nearest import Routed
from training_workers.engine.strategies.strategy import Answer, Dev, Level, Step, Steps, whole

TEAMS = (3, 5, 9)


def winner(votes: Mapping[str, tuple[str, float]]) -> tuple[str, dict[str, float]]:
    """The winning text and each voter's share in its weight; `votes`: model -> (text, weight).

    Of texts that count as equal the one with the weightiest voter is told; a tie goes to the
    answer whose first voter comes first.
    """
    behind: dict[str, float] = {}
    for text, weight in votes.values():
        behind[normalised(text)] = behind.get(normalised(text), 0.0) + weight
    best = max(behind, key=lambda text: behind[text])
    backers = {name: weight for name, (text, weight) in votes.items() if normalised(text) == best}
    told = votes[max(backers, key=lambda name: backers[name])][0]
    return told, {name: weight / behind[best] for name, weight in backers.items()}


@dataclass(frozen=True)
class Vote(Routed):
    name: ClassVar[str] = "vote"
    level: ClassVar[Level] = "text"
    cost: ClassVar[int] = 5
    team: int = TEAMS[0]

    @classmethod
    def fit(cls, dev: Dev) -> Self:
        """The smallest team with the best dev score, on answers that are all known already."""
        one = cls(dev.tuned.router)
        models = dev.table.models
        routes = [
            Route(None, 0.0, dict(zip(models, row.tolist(), strict=True)), [], "")
            for row in dev.tuned.held_out
        ]

        def score(team: int) -> float:
            right = []
            for row, (item, route) in enumerate(zip(dev.items, routes, strict=True)):
                weights = one.router.posterior(route, team)
                votes = {name: (dev.table.answers[name][row], w) for name, w in weights.items()}
                right.append([item.score(winner(votes)[0])])
            return float(priority_means(np.array(right), dev.table.groups, dict(dev.weights))[0])

        return replace(one, team=max(TEAMS, key=score))

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        weights = [self.router.posterior(one.route, self.team) for one in answers]
        asked = [
            Prompt(text, name or None)
            for text, voters in zip(prompts, weights, strict=True)
            for name in voters
        ]
        drafts = iter((yield from whole(asked)))
        for text, one, voters in zip(prompts, answers, weights, strict=True):
            said = {name: next(drafts) for name in voters}
            votes = {name: (draft.text, voters[name]) for name, draft in said.items()}
            text_told, credit = winner(votes)
            finish = next(draft.finish for draft in said.values() if draft.text == text_told)
            one.tell(text_told, credit, finish)
            one.generations = len(votes)
            if len(votes) > 1:
                one.steps = [Step(name, text, draft.text) for name, draft in said.items()]

    def state(self) -> dict[str, Any]:
        return {**super().state(), "team": self.team}
