"""`composing`: what choosing a strategy costs, and what one more expert among 32 costs.

The community is that of Mosaic-15 (docs/mosaic-15.md) with 32 contributors, who train briefly: the
work is what counts here, not what they have learnt. Seconds are of processor time.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from mosaic_site.bench.measurement import Measurement, NotMeasured
from training_workers.engine.base_facts import POCKET
from training_workers.engine.bases import Base, load_base
from training_workers.engine.composing import Choice, choose
from training_workers.engine.evaluating import evaluate, new_tokens
from training_workers.engine.mosaic15 import Benchmark, Contributor, make, shards
from training_workers.engine.pool import ExpertPool
from training_workers.engine.profiles import profile_of
from training_workers.engine.training import Recipe, train_adapter

SEED, CONTRIBUTORS, TOKENS = 2, 32, 15_000
GOAL_SHARE, GOAL_REBUILD = 0.2, 0.1


def measure(data: Path | None, say: Callable[[str], None]) -> list[Measurement]:
    torch.set_num_threads(1)
    base = load_base(str(POCKET))
    benchmark, everybody = make(SEED), shards(SEED, CONTRIBUTORS)
    *before, newcomer = everybody
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        say(f"training {len(before)} experts, then one more")
        training = _seconds(lambda: _train(base, before, folder))
        training_one = _seconds(lambda: _train(base, [newcomer], folder))
        say("building the release of all from nothing")
        pool = _pool(base, everybody, folder)
        evaluating, choosing, full = _compose(pool, benchmark, everybody)
        say("building it where all but the newcomer are known")
        warm = _pool(base, before, folder)
        _compose(warm, benchmark, before)
        warm.add(newcomer.name, folder / newcomer.name)
        evaluating_one, choosing_again, again = _compose(warm, benchmark, everybody)
    if _facts(full) != _facts(again):
        raise NotMeasured(
            f"The rebuilt release differs from the one built anew: {_facts(again)}, {_facts(full)}."
        )
    what = f"{CONTRIBUTORS} experts of {TOKENS:,} tokens on pocket, 675 dev items, one thread"
    rebuilt = training_one + evaluating_one + choosing_again
    anew = training + training_one + evaluating + choosing
    return [
        Measurement(
            "composing.choosing", choosing, "s", "evaluating the experts", evaluating,
            f"{what}; fitting and comparing nine strategies, chosen: {full.strategy.name}.",
            f"ratio under {GOAL_SHARE}", choosing < GOAL_SHARE * evaluating,
        ),
        Measurement(
            "composing.rebuild", rebuilt, "s", "everything from nothing", anew,
            f"{what}; training, evaluating, fitting and choosing, with the same result.",
            "ratio at most 1/10", rebuilt <= GOAL_REBUILD * anew,
        ),
        Measurement(
            "composing.rebuild_untrained", evaluating_one + choosing_again, "s",
            "the same from nothing", evaluating + choosing,
            f"{what}; without the training.",
        ),
    ]  # fmt: skip


def _seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _train(base: Base, contributors: Sequence[Contributor], folder: Path) -> None:
    for one in contributors:
        train_adapter(
            base,
            one.examples,
            Recipe(max_tokens=TOKENS),
            out=folder / one.name,
            work=folder / "work" / one.name,
            on_progress=lambda progress: None,
            should_stop=lambda: False,
        )


def _pool(base: Base, contributors: Sequence[Contributor], folder: Path) -> ExpertPool:
    pool = ExpertPool(base, remember=True)
    for one in contributors:
        pool.add(one.name, folder / one.name)
    return pool


def _compose(
    pool: ExpertPool, benchmark: Benchmark, contributors: Sequence[Contributor]
) -> tuple[float, float, Choice]:
    """Seconds of evaluating, of fitting and choosing, and what was chosen."""
    names = [one.name for one in contributors]
    limit = new_tokens(pool.base, [*benchmark.fit, *benchmark.select])
    began = time.process_time()
    fit = evaluate(pool, benchmark.fit, names, limit)
    select = evaluate(pool, benchmark.select, names, limit)
    between = time.process_time()
    choice = choose(
        pool,
        (benchmark.fit, fit),
        (benchmark.select, select),
        {},
        limit,
        profiles={one.name: profile_of(row.prompt for row in one.examples) for one in contributors},
    )
    return between - began, time.process_time() - between, choice


def _facts(choice: Choice) -> tuple[object, ...]:
    """What makes two choices the same. Fitted numbers may differ in their last digits, because an
    answer's likelihood depends a little on the batch that it was made in."""
    scores = [(one.name, one.n, round(one.estimate.score, 9)) for one in choice.candidates]
    return choice.strategy.name, scores
