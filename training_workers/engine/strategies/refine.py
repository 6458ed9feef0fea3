"""`refine`: a small team drafts, one expert writes the answer with the drafts before its eyes.

    y = f( x, d_1 ... d_m ),   d_i = e_i(x)                  (mixture-of-agents, Wang et al. 2024)

The team are the router's most probable experts, at most `TEAM`; the fuser f is the first of them.
Needs the router, and a base that can read drafts: one that follows no instructions mostly
cannot. Costs a row for each draft and one for the fusion. Credit: the fuser's, shared with whoever
drafted the very text that it settled on. An expert that leaves drafts no more.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from training_workers.engine.pool import ExpertPool, Prompt, Sampling
from training_workers.engine.scoring import normalised
from training_workers.engine.strategies.nearest import Routed
from training_workers.engine.strategies.strategy import Answer, Level, Step

TEAM = 4


def fusing_prompt(question: str, drafts: Sequence[str]) -> str:
    """The question and what others would answer, each on a line."""
    lines = "\n".join(f"- {draft}" for draft in drafts)
    return f"{question}\nDrafts:\n{lines}\nThe best answer:"


class Refine(Routed):
    name: ClassVar[str] = "refine"
    level: ClassVar[Level] = "text"
    cost: ClassVar[int] = 6

    def stream(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        sampling: Sampling,
        allowed: frozenset[str] | None = None,
    ) -> Iterator[list[Answer]]:
        answers = [Answer(route) for route in self.routes(prompts, allowed, pool)]
        teams = [list(self.router.posterior(one.route, TEAM)) for one in answers]
        asked = [
            Prompt(text, name or None)
            for text, team in zip(prompts, teams, strict=True)
            for name in team
        ]
        texts = iter(pool.generate(asked, sampling))
        drafts = [{name: next(texts) for name in team} for team in teams]
        fusing = [
            Prompt(
                fusing_prompt(text, list(said.values())) if len(said) > 1 else text, team[0] or None
            )
            for text, said, team in zip(prompts, drafts, teams, strict=True)
        ]
        fused = pool.generate(fusing, sampling)
        for text, one, said, team, final in zip(
            prompts, answers, drafts, teams, fused, strict=True
        ):
            owed = {
                team[0],
                *(n for n, draft in said.items() if normalised(draft) == normalised(final)),
            }
            one.tell(final, {name: 1 / len(owed) for name in sorted(owed)})
            if len(team) > 1:
                one.generations = len(team) + 1
                one.steps = [Step(name, text, draft) for name, draft in said.items()]
        yield answers
