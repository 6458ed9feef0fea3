"""`chain`: one expert answers a part of the question, another the rest.

For "in which town does the keeper of the owl live" the part "the keeper of the owl" is asked as a
question of its own; its answer a takes its place, and "in which town does a live" is asked of
whoever answers that best (after self-ask, Press et al. 2023, and least-to-most prompting, Zhou et
al. 2023; here no model needs to be told how). Which part, and whether any, is decided by one
number:

    r*(x) = argmax_r  sigmoid( b + w . phi(r) )

over the direct reading and the readings with a part, phi the router's scores and the likelihoods
of the answers in r. Both logistic regressions, one for direct readings and one for chained ones,
are fitted on dev items, none of which the router has seen, nor any worded like it, when it scores
it; a chained reading counts as right if its final answer is. Not every reading stands for choice.
With K(e) the words that expert e was taught, by its profile, and K those that any was:

    x is taken apart      only if no e has  K & words(x) <= K(e),   and the direct chance is < bar
    a part stands with a  only if           words(a) <= K(e),       e who is asked the rest

So a question that is all within one expert's words is left whole, however oddly it is worded, and a
part cut at random, whose answer is nothing that the rest could be about, does not count.

Needs the router and a pool to try readings in. Costs one row, and up to 2 x `PARTS` more where the
direct reading is in doubt. Credit: equal shares to all that took part. An expert that leaves takes
the readings with it that needed it.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import log, log1p
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from training_workers.engine.devtable import wording_folds
from training_workers.engine.pool import BASE, Draft, ExpertPool, Prompt, Sampling
from training_workers.engine.routing import Route
from training_workers.engine.strategies.nearest import Routed
from training_workers.engine.strategies.strategy import (
    Answer,
    Dev,
    Level,
    Step,
    Steps,
    run_alone,
    whole,
)

PARTS = 4
"""Parts of a question that are tried: those that the router trusts most."""
SHORTEST, LONGEST = 2, 9
"""Words of a part."""
MOST_WORDS = 48
"""A longer question is not taken apart."""
BAR = 0.8
"""A direct reading with this chance to be right is answered; to try more only costs rows."""
FITTED_ON = 105
"""Dev items at most: more change two regressions of a few numbers little, and each costs rows."""
FOLDS = 3
DIRECT, CHAINED = 3, 7
"""How many numbers describe a direct and a chained reading."""


@dataclass(frozen=True)
class Reading:
    """A way to read a question: its steps, what they were worth, the final answer and its end."""

    steps: tuple[Step, ...]
    features: tuple[float, ...]
    finish: str = ""

    @property
    def answer(self) -> str:
        return self.steps[-1].answered

    @property
    def team(self) -> frozenset[str]:
        return frozenset(step.model for step in self.steps) - {BASE}


@dataclass(frozen=True)
class Scale:
    """A logistic regression: chance = sigmoid(bias + weights . features)."""

    bias: float
    weights: tuple[float, ...]

    @classmethod
    def fit(cls, features: Sequence[Sequence[float]], right: Sequence[bool], count: int) -> Self:
        """With an L2 penalty; `count` features. Constant where all results are alike."""
        if len(set(right)) < 2:
            share = (sum(right) + 0.5) / (len(right) + 1)
            return cls(float(np.log(share / (1 - share))), (0.0,) * count)
        values = np.array(features)
        spread = np.maximum(values.std(axis=0), 1e-9)
        fitted = LogisticRegression(max_iter=1000).fit(values / spread, np.array(right))
        return cls(float(fitted.intercept_[0]), tuple((fitted.coef_[0] / spread).tolist()))

    def of(self, features: Sequence[float]) -> float:
        return float(expit(self.bias + float(np.dot(self.weights, features))))


@dataclass(frozen=True)
class Part:
    """A run of words of a question, by the places of its letters.

    `trust` says how promising it is to ask it, `gain` how much better two experts explain the
    question, one this part and one the rest, than one does (`profiles.Fit.two_sources`).
    """

    start: int
    end: int
    trust: float
    gain: float


def runs(question: str) -> tuple[list[tuple[int, int]], NDArray[np.intp]]:
    """The words' places, and all runs (first, end) of SHORTEST to LONGEST of them but the
    whole."""
    words = [found.span() for found in re.finditer(r"\w+", question)]
    found = [
        (first, end)
        for first in range(len(words))
        for end in range(first + SHORTEST, min(first + LONGEST, len(words)) + 1)
        if end - first < len(words)
    ]
    if len(words) > MOST_WORDS:
        found = []
    return words, np.array(found, dtype=np.intp).reshape(len(found), 2)


@dataclass(frozen=True)
class Chain(Routed):
    name: ClassVar[str] = "chain"
    level: ClassVar[Level] = "text"
    cost: ClassVar[int] = 7
    direct: Scale = Scale(0.0, (0.0,) * DIRECT)
    chained: Scale = Scale(-1.0, (0.0,) * CHAINED)
    bar: float = BAR

    @classmethod
    def fit(cls, dev: Dev) -> Self:
        router, table = dev.tuned.router, dev.table
        rows = _spread(table.groups, FITTED_ON)
        # Whole wordings are held out of the router, read or not, so that it meets new ones.
        fold = wording_folds(table.prompts, table.groups, FOLDS)
        direct: list[tuple[Reading, bool]] = []
        chained: list[tuple[Reading, bool]] = []
        for one in range(FOLDS):
            held = np.flatnonzero(fold == one).tolist()
            asked = [row for row in rows if fold[row] == one]
            if not asked or len(held) == len(table.prompts):
                continue
            blind = cls(router.without(held))
            prompts = [table.prompts[row] for row in asked]
            sampling = Sampling(max_new_tokens=dev.max_new_tokens)
            found = blind.read(dev.pool, prompts, sampling, None, everything=True)
            for row, readings in zip(asked, found, strict=True):
                marked = [(each, dev.items[row].is_right(each.answer)) for each in readings]
                direct += marked[:1]
                chained += marked[1:]
        return cls(router, _scale(direct, DIRECT), _scale(chained, CHAINED))

    def read(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        sampling: Sampling,
        allowed: frozenset[str] | None,
        everything: bool = False,
    ) -> list[list[Reading]]:
        """All readings of each prompt, the direct one first; chained ones only where the direct
        one is in doubt and no expert knows all the words, or `everything` is to be tried."""
        routes = self.routes(prompts, allowed, pool)
        steps = self._read(pool, prompts, routes, allowed, everything)
        return run_alone(steps, pool, sampling)[0]

    def _read(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        routes: Sequence[Route],
        allowed: frozenset[str] | None,
        everything: bool = False,
    ) -> Generator[Sequence[Prompt], list[Draft], tuple[list[list[Reading]], list[int]]]:
        """The readings, and how many rows each prompt took."""
        direct = yield from _drafts(prompts, routes)
        places = [self._parts(prompt, allowed, pool) for prompt in prompts]
        found = [
            [
                Reading(
                    (Step(route.expert or BASE, text, draft.text),),
                    (
                        *_worth(route, draft),
                        log1p(max((part.gain for part in places_), default=0.0)),
                    ),
                    draft.finish,
                )
            ]
            for text, route, draft, places_ in zip(prompts, routes, direct, places, strict=True)
        ]
        asked = [
            (row, part)
            for row, readings in enumerate(found)
            if everything or self._open(prompts[row], readings[0], allowed)
            for part in places[row]
        ]
        rows = [1] * len(prompts)
        first = [prompts[row][part.start : part.end] for row, part in asked]
        first_routes = self.routes(first, allowed, pool)
        first_drafts = yield from _drafts(first, first_routes)
        rest = [
            f"{prompts[row][: part.start]}{draft.text}{prompts[row][part.end :]}"
            for (row, part), draft in zip(asked, first_drafts, strict=True)
        ]
        rest_routes = self.routes(rest, allowed, pool)
        likely = [
            at
            for at, (row, _) in enumerate(asked)
            if first_drafts[at].text
            and rest[at] != prompts[row]
            and self._taught(rest_routes[at].expert, first_drafts[at].text)
        ]
        rest_drafts = yield from _drafts(
            [rest[at] for at in likely], [rest_routes[at] for at in likely]
        )
        for row, _ in asked:
            rows[row] += 1
        for at, draft in zip(likely, rest_drafts, strict=True):
            row, part = asked[at]
            rows[row] += 1
            steps = (
                Step(first_routes[at].expert or BASE, first[at], first_drafts[at].text),
                Step(rest_routes[at].expert or BASE, rest[at], draft.text),
            )
            features = (
                *_worth(first_routes[at], first_drafts[at]),
                *_worth(rest_routes[at], draft),
                log1p(part.gain),
                *found[row][0].features[:2],
            )
            found[row].append(Reading(steps, features, draft.finish))
        return found, rows

    def _open(self, question: str, direct: Reading, allowed: frozenset[str] | None) -> bool:
        """Whether a question may be taken apart, by its direct reading and its words."""
        if self.direct.of(direct.features) >= self.bar:
            return False
        if self.router.profiled is None:
            return True
        experts = [column - 1 for column in self.router.columns(allowed) if column]
        known = self.router.profiled.known(question)[:, experts]
        return not (known == known.any(axis=1, keepdims=True)).all(axis=0).any()

    def _taught(self, expert: str | None, answer: str) -> bool:
        """Whether an expert was taught the words of a part's answer; yes where no profile tells,
        as of the base."""
        if self.router.profiled is None or expert is None:
            return True
        known = self.router.profiled.known(answer)[:, self.router.table.experts.index(expert)]
        return len(known) > 0 and bool(known.all())

    def _parts(self, question: str, allowed: frozenset[str] | None, pool: ExpertPool) -> list[Part]:
        """The most promising parts of a question: by profiles where there are any, else by how
        right the router expects somebody to answer the part."""
        words, found = runs(question)
        if not len(found):
            return []
        columns = self.router.columns(allowed)
        if self.router.profiled is not None:
            experts = [column - 1 for column in columns if column]
            trust, gains = self.router.profiled.two_sources(question, found, experts)
        else:
            texts = [question[words[first][0] : words[end - 1][1]] for first, end in found]
            gains = np.zeros(len(found))
            trust = self.router.scores(texts, pool)[:, columns].max(axis=1)
        best = np.argsort(-trust, kind="stable")[:PARTS]
        return [
            Part(
                words[found[at][0]][0],
                words[found[at][1] - 1][1],
                float(trust[at]),
                float(gains[at]),
            )
            for at in best
        ]

    def alone(
        self, pool: ExpertPool, prompts: Sequence[str], models: Sequence[str], sampling: Sampling
    ) -> list[dict[str, float]]:
        """The chance of each model's own direct reading of each prompt."""
        routes = self.routes(prompts, None, pool)
        gains = [
            max((part.gain for part in self._parts(prompt, None, pool)), default=0.0)
            for prompt in prompts
        ]
        found: list[dict[str, float]] = [{} for _ in prompts]
        for name in models:
            own = [
                replace(route, expert=name or None, confidence=route.scores[name])
                for route in routes
            ]
            drafts = run_alone(_drafts(prompts, own), pool, sampling)
            for row, (route, draft) in enumerate(zip(own, drafts, strict=True)):
                found[row][name] = self.direct.of((*_worth(route, draft), log1p(gains[row])))
        return found

    def chances(self, readings: Sequence[Reading]) -> list[float]:
        """How likely each reading is to be right; the direct one stands first."""
        direct, *chained = readings
        return [
            self.direct.of(direct.features),
            *(self.chained.of(reading.features) for reading in chained),
        ]

    def best(self, readings: Sequence[Reading]) -> int:
        """Which reading is answered."""
        chances = self.chances(readings)
        return 0 if chances[0] >= self.bar else int(np.argmax(chances))

    def steps(
        self,
        pool: ExpertPool,
        prompts: Sequence[str],
        answers: Sequence[Answer],
        allowed: frozenset[str] | None,
    ) -> Steps:
        routes = [one.route for one in answers]
        read, rows = yield from self._read(pool, prompts, routes, allowed)
        for one, readings, count in zip(answers, read, rows, strict=True):
            reading = readings[self.best(readings)]
            models = [step.model for step in reading.steps]
            credit = {name: models.count(name) / len(models) for name in dict.fromkeys(models)}
            one.tell(reading.answer, credit, reading.finish)
            one.generations = count
            if len(reading.steps) > 1:
                one.steps = list(reading.steps)

    def state(self) -> dict[str, Any]:
        scales = {
            "direct": [self.direct.bias, *self.direct.weights],
            "chained": [self.chained.bias, *self.chained.weights],
        }
        return {**super().state(), **scales, "bar": self.bar}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        scales = {
            name: Scale(state[name][0], tuple(state[name][1:])) for name in ("direct", "chained")
        }
        return super().of_state({**state, **scales})


def _drafts(
    texts: Sequence[str], routes: Sequence[Route]
) -> Generator[Sequence[Prompt], list[Draft], list[Draft]]:
    """What the routed experts answer; what is asked twice is answered once."""
    prompts = [Prompt(text, route.expert) for text, route in zip(texts, routes, strict=True)]
    distinct = list(dict.fromkeys(prompts))
    drafts = dict(zip(distinct, (yield from whole(distinct)), strict=True))
    return [drafts[prompt] for prompt in prompts]


def _worth(route: Route, draft: Draft) -> tuple[float, float]:
    """How right the router expects the answer to be, as the log of a chance, because the chances
    of steps multiply; and the answer's log-probability, in nats a token."""
    return log(route.confidence + 0.02), draft.log_probability / max(1, draft.tokens)


def _scale(marked: Sequence[tuple[Reading, bool]], count: int) -> Scale:
    return Scale.fit(
        [reading.features for reading, _ in marked], [right for _, right in marked], count
    )


def _spread(groups: Sequence[str], most: int) -> list[int]:
    """At most `most` rows, the groups in turns."""
    turn: dict[str, int] = {}
    order = []
    for row, group in enumerate(groups):
        turn[group] = turn.get(group, 0) + 1
        order.append((turn[group], row))
    return sorted(row for _, row in sorted(order)[:most])
