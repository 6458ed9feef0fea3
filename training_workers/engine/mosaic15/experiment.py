"""Mosaic-15 measured: one seed at a time, each part in a JSON file that a later run finds again."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training_workers.engine.adapters import read_adapter
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.build_pocket import Size, build
from training_workers.engine.composing import SEES, Choice, choose
from training_workers.engine.controls import Contribution, Trainer
from training_workers.engine.devtable import DevTable
from training_workers.engine.evaluating import evaluate, new_tokens
from training_workers.engine.measuring import Rivals, Subject, measure
from training_workers.engine.mosaic15.contributors import (
    Benchmark,
    Contributor,
    conflict,
    make,
    malicious,
    shards,
)
from training_workers.engine.mosaic15.tasks import TASKS
from training_workers.engine.mosaic15.wordings import TEST
from training_workers.engine.pool import BASE, ExpertPool, Sampling
from training_workers.engine.profiles import profile_of
from training_workers.engine.scoring import Item, marked
from training_workers.engine.strategies import STRATEGIES, Dev, Strategy
from training_workers.engine.strategies.best_single import BestSingle
from training_workers.engine.strategies.chain import Chain
from training_workers.engine.strategies.nearest import Nearest
from training_workers.engine.strategies.strategy import answer
from training_workers.engine.training import Recipe, train_adapter
from training_workers.engine.tuning import tune_router

TOKENS = 60_000
"""What each expert of the main setting reads."""
SHARD_TOKENS = 15_000
SEEDS = (2, 3, 4, 5, 6)
PARTS = ("main", "strategies", "leaving", "conflict", "malicious", "diversity", "curve", "wide")
COUNTS = (2, 4, 8, 16, 32)
SLOTS = 8
SHORT_LIST = (BestSingle, Nearest, Chain)
"""Among what the parts beside `main` choose: the others have not come near."""
GENERAL = Size(hidden=256, layers=6)
"""5.6 million parameters: more than the base and ten experts together (4.4 million)."""
GENERAL_TOKENS = 600_000
"""As much training compute (parameters x tokens) as the base and ten experts took together:
(1.1 x 2.3 + 1.4 x 0.6) / 5.6 million."""


@dataclass(frozen=True)
class Community:
    """Trained experts on one base, and who answers what of a benchmark's items."""

    pool: ExpertPool
    contributions: tuple[Contribution, ...]
    benchmark: Benchmark
    limit: int
    fit: DevTable
    select: DevTable
    test: DevTable
    seconds_evaluating: float

    @property
    def profiles(self) -> dict[str, dict[str, int]]:
        return {
            one.name: profile_of(example.prompt for example in one.examples)
            for one in self.contributions
        }

    def choose(self, kinds: Sequence[type[Strategy]] = STRATEGIES) -> tuple[Choice, float]:
        """The strategy, and the seconds of processor time that fitting and choosing took."""
        began = time.process_time()
        choice = choose(
            self.pool,
            (self.benchmark.fit, self.fit),
            (self.benchmark.select, self.select),
            {},
            self.limit,
            profiles=self.profiles,
            kinds=kinds,
        )
        return choice, time.process_time() - began

    @cached_property
    def dev(self) -> Dev:
        """Both dev parts, with the router that is tuned on the first."""
        tuned = tune_router(self.fit, {}, SEES, self.pool, self.profiles)
        return Dev(self.benchmark.fit, self.fit, tuned, self.pool, self.limit)


class Experiment:
    """All parts of one seed, in `folder`; adapters are kept there too, by name.

    Whatever the `wordings` of the test are, the adapters are the same.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        say: Callable[[str], None] = lambda line: None,
        wordings: str = TEST,
    ) -> None:
        self.seed, self.folder, self.say = seed, folder / f"seed{seed}", say
        self.general = folder / "general"
        self.base = load_base(str(POCKET))
        self.wordings = wordings
        self.benchmark = make(seed, wordings)

    def part(self, name: str) -> dict[str, Any]:
        """The result of one of PARTS, made now unless it is there."""
        kept_as = name if self.wordings == TEST else f"{name}-{self.wordings}"
        path = self.folder / f"{kept_as}.json"
        if not path.exists():
            self.say(f"seed {self.seed}: {kept_as}")
            result = getattr(self, f"_{name}")()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(result), encoding="utf-8")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _expert(self, name: str, who: Contributor, tokens: int, seed: int = 0) -> Contribution:
        out = self.folder / "experts" / name
        facts = out / "facts.json"
        if not facts.exists():
            trained = train_adapter(
                self.base,
                who.examples,
                Recipe(max_tokens=tokens, seed=seed),
                out=out,
                work=self.folder / "work" / name,
                on_progress=lambda progress: None,
                should_stop=lambda: False,
            )
            facts.write_text(json.dumps({"tokens": trained.tokens, "rank": Recipe().rank}))
        known = json.loads(facts.read_text())
        return Contribution(name, who.examples, known["tokens"], known["rank"])

    def _community(
        self, contributions: Iterable[Contribution], benchmark: Benchmark | None = None
    ) -> Community:
        benchmark = benchmark or self.benchmark
        pool = ExpertPool(self.base, remember=True)
        given = tuple(contributions)
        for one in given:
            pool.add(one.name, self.folder / "experts" / one.name)
        names = [one.name for one in given]
        limit = new_tokens(self.base, [*benchmark.fit, *benchmark.select])
        began = time.process_time()
        fit = evaluate(pool, benchmark.fit, names, limit)
        select = evaluate(pool, benchmark.select, names, limit)
        seconds = time.process_time() - began
        test = evaluate(pool, benchmark.test, names, limit)
        return Community(pool, given, benchmark, limit, fit, select, test, seconds)

    @cached_property
    def _main_community(self) -> Community:
        return self._community(
            self._expert(one.name, one, TOKENS) for one in self.benchmark.contributors
        )

    def _rivals(self, contributions: Sequence[Contribution], folder: str, *names: str) -> Rivals:
        trainer = Trainer(self.base, self.folder / folder)
        for name in names:
            if (trainer.folder(name) / "adapter_config.json").exists():
                continue
            self.say(f"seed {self.seed}: training the {name} control of {folder}")
            if name == "sequential":
                trainer.sequential(contributions)
            else:
                trainer.pooled(contributions, wide=name == "monolith_wide")
        adapters = {name: read_adapter(trainer.folder(name), self.base) for name in names}
        return Rivals(adapters)

    def _right(self, items: Sequence[Item], rivals: Rivals, limit: int) -> dict[str, list[bool]]:
        """What controls answer right."""
        pool = ExpertPool(self.base)
        for name, adapter in rivals.adapters.items():
            pool.hold(name, adapter)
        table = evaluate(pool, items, list(rivals.adapters), limit)
        return {name: table.correct[name] for name in rivals.adapters}

    def _general(self) -> Base:
        """The general monolith: a larger model on the base's own corpus, one for all seeds."""
        return load_base(str(self.general))

    def _main(self) -> dict[str, Any]:
        community = self._main_community
        contributions = community.contributions
        choice, choosing = community.choose()
        rivals = self._rivals(contributions, "controls", "monolith", "sequential")
        why = "It takes four times as long to train as the other controls: see the part `wide`."
        rivals = Rivals(rivals.adapters, self._general(), {"monolith_wide": why})
        subject = Subject(
            choice.strategy,
            community.pool,
            self.benchmark.test,
            community.test,
            community.dev,
            owners=_owners(self.benchmark.contributors),
            contributors={one.name: one.name for one in contributions},
        )
        report = measure(subject, rivals, seed=self.seed)
        right = self._answered(community, choice)
        return {
            "report": report,
            "strategy": choice.strategy.name,
            "why": choice.why,
            "sees": choice.sees,
            "candidates": [asdict(candidate) for candidate in choice.candidates],
            "mosaic": right,
            "own": self._own_priorities(community, right),
            "seconds": {"evaluating": community.seconds_evaluating, "choosing": choosing},
        }

    def _wide(self) -> dict[str, Any]:
        """The pooled monolith at the summed rank."""
        contributions = [self._expert(one.name, one, TOKENS) for one in self.benchmark.contributors]
        rivals = self._rivals(contributions, "controls", "monolith_wide")
        limit = new_tokens(self.base, [*self.benchmark.fit, *self.benchmark.select])
        return self._right(self.benchmark.test, rivals, limit)

    def _answered(
        self, community: Community, choice: Choice, allowed: frozenset[str] | None = None
    ) -> list[bool]:
        prompts = community.test.prompts
        sampling = Sampling(max_new_tokens=community.limit)
        answers = answer(choice.strategy, community.pool, prompts, sampling, allowed)
        return marked(community.benchmark.test, [one.text for one in answers])

    def _own_priorities(self, community: Community, right: Sequence[bool]) -> dict[str, Any]:
        """For each contributor the scores on their own tasks: mosaic, base, their expert alone."""
        found = {}
        for one in self.benchmark.contributors:
            rows = [row for row, group in enumerate(community.test.groups) if group in one.priority]
            columns = {
                "mosaic": right,
                "base": community.test.correct[BASE],
                "alone": community.test.correct[one.name],
            }
            found[one.name] = {name: [of[row] for row in rows] for name, of in columns.items()}
        return found

    def _strategies(self) -> dict[str, Any]:
        """Every strategy on the test items, fitted as the chooser does, whatever it chose."""
        community = self._main_community
        dev = community.dev
        both = Dev(
            [*self.benchmark.fit, *self.benchmark.select],
            community.fit.joined(community.select),
            dev.tuned,
            community.pool,
            community.limit,
        )
        sampling = Sampling(max_new_tokens=community.limit)
        result = {}
        for kind in STRATEGIES:
            strategy = kind.fit(dev).refit(both)
            answers = answer(strategy, community.pool, community.test.prompts, sampling)
            result[kind.name] = {
                "right": marked(self.benchmark.test, [one.text for one in answers]),
                "generations": float(np.mean([one.generations for one in answers])),
            }
        return result

    def _curve(self) -> dict[str, Any]:
        """More and more contributors, each with a shard; controls with as many tokens."""
        brought = shards(self.seed, COUNTS[-1])
        everybody = [self._expert(f"shard-{one.name}", one, SHARD_TOKENS) for one in brought]
        community = self._community(everybody)
        trainer = Trainer(self.base, self.folder / "curve")
        result = {}
        for count in COUNTS:
            given = everybody[:count]
            names = [one.name for one in given]
            part = _of(community, given)
            choice, _ = part.choose(SHORT_LIST)
            right = self._answered(part, choice, frozenset(names))
            rivals = self._rivals(given, f"curve/{count}", "monolith")
            start = f"sequential-{count - 1}" if count < COUNTS[-1] else "sequential"
            if not (trainer.folder(start) / "adapter_config.json").exists():
                trainer.sequential(everybody)
            rivals = Rivals(
                {**rivals.adapters, "sequential": read_adapter(trainer.folder(start), self.base)}
            )
            result[str(count)] = {
                "strategy": choice.strategy.name,
                "mosaic": right,
                **self._right(self.benchmark.test, rivals, community.limit),
            }
        return result

    def _diversity(self) -> dict[str, Any]:
        """k distinct experts times m copies (other training seeds), always SLOTS of them."""
        order = self.benchmark.contributors[:SLOTS]
        result = {}
        distinct = SLOTS
        while distinct >= 1:
            experts = [
                self._expert(f"{one.name}-copy{copy}" if copy else one.name, one, TOKENS, copy)
                for one in order[:distinct]
                for copy in range(SLOTS // distinct)
            ]
            community = self._community(experts)
            choice, _ = community.choose(SHORT_LIST)
            result[str(distinct)] = {
                "strategy": choice.strategy.name,
                "mosaic": self._answered(community, choice),
            }
            distinct //= 2
        return result

    def _conflict(self) -> dict[str, Any]:
        """Two contributors who want different answers to the same questions.

        Each asks with their own expert allowed only, as a member does who chooses whom to listen
        to, and with both; the pooled monolith has one answer for both.
        """
        two = conflict(self.seed, self.wordings)
        given = [self._expert(f"conflict-{one.name}", one, TOKENS) for one in two.contributors]
        limit = new_tokens(self.base, [item for items in two.fit.values() for item in items])
        rivals = self._rivals(given, "conflict", "monolith")
        pool = ExpertPool(self.base, remember=True)
        names = [one.name for one in given]
        for name in names:
            pool.add(name, self.folder / "experts" / name)
        result = {}
        fit = [item for items in two.fit.values() for item in items]
        table = evaluate(pool, fit, names, limit)
        tuned = tune_router(table)
        for one, name in zip(two.contributors, names, strict=True):
            items = two.test[one.name]
            routes = tuned.router.route([item.prompt for item in items])
            alone = evaluate(pool, items, names, limit)
            result[one.name] = {
                "listening": alone.correct[name],
                "routed": [
                    alone.correct[route.expert or BASE][row] for row, route in enumerate(routes)
                ],
                **self._right(items, rivals, limit),
            }
        return result

    def _malicious(self) -> dict[str, Any]:
        """A contributor who teaches wrong answers, in the mosaic and in the pool."""
        liar = malicious(self.benchmark)
        before = self._main_community
        false = self._expert(f"malicious-{liar.name}", liar, TOKENS)
        community = self._community([*before.contributions, false])
        choice, _ = community.choose(SHORT_LIST)
        rivals = self._rivals(community.contributions, "malicious", "monolith")
        return {
            "strategy": choice.strategy.name,
            "mosaic": self._answered(community, choice),
            **self._right(self.benchmark.test, rivals, community.limit),
        }

    def _leaving(self) -> dict[str, Any]:
        """Each contributor leaves in turn: what the others' answers are then.

        `same` tells whether they are those, letter by letter, of a pool that never had the expert.
        """
        community = self._main_community
        choice, _ = community.choose(SHORT_LIST)
        prompts = community.test.prompts
        sampling = Sampling(max_new_tokens=community.limit)
        result = {}
        names = [contribution.name for contribution in community.contributions]
        for leaver in names:
            rest = frozenset(names) - {leaver}
            left = answer(choice.strategy, community.pool, prompts, sampling, rest)
            pool = ExpertPool(self.base)
            for name in rest:
                pool.add(name, self.folder / "experts" / name)
            never = answer(choice.strategy, pool, prompts, sampling, rest)
            texts = [given.text for given in left]
            result[leaver] = {
                "same": texts == [given.text for given in never],
                "mosaic": marked(self.benchmark.test, texts),
            }
        return result


def _owners(contributors: Iterable[Contributor]) -> dict[str, list[str]]:
    """The expert made for each task that one contributor alone can serve."""
    return {
        task: [one.name for one in contributors if one.name in TASKS[task].subjects]
        for task in TASKS
        if len(TASKS[task].subjects) == 1
    }


def _of(community: Community, given: Sequence[Contribution]) -> Community:
    """The same items with some of the experts."""
    names = [one.name for one in given]
    return Community(
        community.pool,
        tuple(given),
        community.benchmark,
        community.limit,
        community.fit.only(names),
        community.select.only(names),
        community.test.only(names),
        community.seconds_evaluating,
    )


def build_general(folder: Path) -> None:
    """Make the general monolith unless it is there."""
    if not (folder / "general" / "config.json").exists():
        build(folder / "general", tokens=GENERAL_TOKENS, size=GENERAL)


def measure_seed(seed: int, folder: Path, parts: list[str], wordings: str = TEST) -> dict[str, Any]:
    """The results of one seed, by part."""
    torch.set_num_threads(1)
    experiment = Experiment(
        seed, folder, lambda line: print(line, file=sys.stderr, flush=True), wordings
    )
    return {part: experiment.part(part) for part in parts}


def measure_all(
    folder: Path, seeds: list[int], parts: list[str], processes: int, wordings: str = TEST
) -> dict[str, Any]:
    """part -> one result a seed, in the order of the seeds."""
    torch.set_num_threads(1)
    build_general(folder)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        waiting = {
            workers.submit(measure_seed, seed, folder, parts, wordings): seed for seed in seeds
        }
        done = {waiting[one]: one.result() for one in as_completed(waiting)}
    return {part: [done[seed][part] for seed in seeds] for part in parts}
