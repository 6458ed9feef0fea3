"""`refine`: a small team drafts, one expert writes the answer with the drafts before its eyes.

    y = f( x, d_1 ... d_m ),   d_i = e_i(x)                  (mixture-of-agents, Wang et al. 2024)

The team are the router's most probable experts, at most `TEAM`; the fuser f is the first of them.
Needs the router, and a base that can read drafts: one that follows no instructions mostly
cannot. Costs a row for each draft and one for the fusion. Credit: the fuser's, shared with whoever
drafted the very text that it settled on. An expert that leaves drafts no more.
"""

from collections.abc import Sequence
from typing import ClassVar

from training_workers.engine.pool import ExpertPool, Prompt
from training_workers.engine.scoring import normalised
from training_workers.engine.strategies.nearest import Routed
from training_workers.engine.strategies.strategy import Answer, Level, Step, Steps, whole

TEAM = 4


def fusing_prompt(question: str, drafts: Sequence[str]) -> str:
    """The question and what others would answer, each on a line."""
    lines = "\n".join(f"- {draft}" for draft in drafts)
    return f"{question}\nDrafts:\n{lines}\nThe best answer:"


class Refine(Routed):
    name: ClassVar[str] = "refine"
    level: ClassVar[Level] = "text"
    cost: ClassVar[int] = 6

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        teams = [list(self.router.posterior(one.route, TEAM)) for one in answers]
        asked = [
            Prompt(text, name or None)
            for text, team in zip(prompts, teams, strict=True)
            for name in team
        ]
        drafted = yield from whole(asked)
        texts = iter([draft.text for draft in drafted])
        drafts = [{name: next(texts) for name in team} for team in teams]
        fusing = [
            Prompt(
                fusing_prompt(text, list(said.values())) if len(said) > 1 else text, team[0] or None
            )
            for text, said, team in zip(prompts, drafts, teams, strict=True)
        ]
        fused = yield from whole(fusing)
        for text, one, said, team, final in zip(
            prompts, answers, drafts, teams, fused, strict=True
        ):
            settled_on = normalised(final.text)
            owed = {team[0], *(n for n, draft in said.items() if normalised(draft) == settled_on)}
            credit = {name: 1 / len(owed) for name in sorted(owed)}
            one.tell(final.text, credit, final.finish)
            if len(team) > 1:
                one.generations = len(team) + 1
                one.steps = [Step(name, text, draft) for name, draft in said.items()]
