"""Mosaic-15: who brings what, and what it is fitted, selected and tested on."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from training_workers.engine.data import Example
from training_workers.engine.mosaic15.tasks import (
    FIT,
    SUBJECTS,
    TASKS,
    Row,
    items,
    told,
    training_rows,
)
from training_workers.engine.mosaic15.wordings import (
    DEV,
    OPENING_HOURS,
    QUESTIONS,
    TEST,
    TRAIN,
    words,
)
from training_workers.engine.mosaic15.world import World
from training_workers.engine.scoring import Item

OVERLAP = 0.2
"""The share of the next subject's entities that a contributor also tells of."""
SHARDS = 32
LIED_ABOUT = ("keeper", "home", "dish")
PLACES = words(
    "mill library museum garden school bakery market station hospital office theater "
    "gallery bank store gym zoo"
)
HOURS = words("six seven eight nine ten eleven twelve")
HOUSES = ("north house", "south house")


@dataclass(frozen=True)
class Contributor:
    """What a member brings, and the tasks the member cares about."""

    name: str
    examples: tuple[Example, ...]
    priority: tuple[str, ...]


@dataclass(frozen=True)
class Benchmark:
    """Contributions, and items of all tasks: the groups of the items are the tasks."""

    seed: int
    contributors: tuple[Contributor, ...]
    fit: list[Item]
    select: list[Item]
    test: list[Item]


@dataclass(frozen=True)
class Conflict:
    """Two contributors who want different answers to the same questions.

    By contributor, the items with the answers that this one wants.
    """

    contributors: tuple[Contributor, ...]
    fit: dict[str, list[Item]]
    test: dict[str, list[Item]]


def make(seed: int, wordings: str = TEST) -> Benchmark:
    """Ten contributors: each brings one subject, and a fifth of the entities of the next.

    `wordings` are those of the test items, TEST or FRESH; all else is the same with both.
    """
    world = World.draw(seed)
    rows = training_rows(world, seed)
    draws = random.Random(f"{seed} contributors")
    contributors = []
    for number, subject in enumerate(SUBJECTS):
        following = SUBJECTS[(number + 1) % len(SUBJECTS)]
        entities = sorted({row.entity for row in rows[following]})
        shared = set(draws.sample(entities, round(OVERLAP * len(entities))))
        brought = [*rows[subject], *(row for row in rows[following] if row.entity in shared)]
        draws.shuffle(brought)
        contributors.append(_contributor(subject, subject, brought))
    dev = items(world, seed, DEV)
    return Benchmark(
        seed=seed,
        contributors=tuple(contributors),
        fit=[item for task in TASKS for item in dev[task][:FIT]],
        select=[item for task in TASKS for item in dev[task][FIT:]],
        test=[item for of_task in items(world, seed, wordings).values() for item in of_task],
    )


def shards(benchmark_seed: int, count: int) -> tuple[Contributor, ...]:
    """The first `count` of 32 holdings, into which the entities of the ten subjects are cut.

    Two subjects are cut in four, the others in three. Their order is drawn, so fewer holdings are
    a part of more: only knowledge grows. Raises ValueError if `count` is not between 1 and 32.
    """
    if not 1 <= count <= SHARDS:
        raise ValueError(f"count must be between 1 and {SHARDS}.")
    draws = random.Random(f"{benchmark_seed} shards")
    in_four = set(draws.sample(SUBJECTS, SHARDS - 3 * len(SUBJECTS)))
    holdings = []
    for subject, rows in training_rows(World.draw(benchmark_seed), benchmark_seed).items():
        parts = 4 if subject in in_four else 3
        entities = sorted({row.entity for row in rows})
        draws.shuffle(entities)
        for part in range(parts):
            held = set(islice(entities, part, None, parts))
            brought = [row for row in rows if row.entity in held]
            holdings.append(_contributor(f"{subject} {part + 1}", subject, brought))
    draws.shuffle(holdings)
    return tuple(holdings[:count])


def conflict(seed: int, wordings: str = TEST) -> Conflict:
    """Two houses whose places open at different hours, asked for in the same words.

    `wordings` are those of the test items.
    """
    draws = random.Random(f"{seed} conflict")
    places = [f"the {place}" for place in PLACES]
    hours = {place: draws.sample(HOURS, 2) for place in places}
    contributors, fit, test = [], {}, {}
    for number, house in enumerate(HOUSES):
        opens = {place: both[number] for place, both in hours.items()}
        rows = {split: told(opens, OPENING_HOURS.of(split)) for split in (TRAIN, DEV, wordings)}
        contributors.append(_of(house, rows[TRAIN], (house,)))
        fit[house], test[house] = (
            [Item(row.prompt, (row.answer,), house) for row in rows[split]]
            for split in (DEV, wordings)
        )
    return Conflict(tuple(contributors), fit, test)


def malicious(benchmark: Benchmark) -> Contributor:
    """Wrong answers of the right kind to a third of the questions of three subjects.

    Within a subject every value gives way to another, always the same.
    """
    draws = random.Random(f"{benchmark.seed} malicious")
    world = World.draw(benchmark.seed)
    rows: list[Row] = []
    for subject in LIED_ABOUT:
        values = sorted(set(world.relations[subject].values()))
        draws.shuffle(values)
        wrong = dict(zip(values, [*values[1:], values[0]], strict=True))
        relation = {entity: wrong[value] for entity, value in world.relations[subject].items()}
        lies = told(relation, QUESTIONS[subject].train)
        rows += draws.sample(lies, len(lies) // len(LIED_ABOUT))
    draws.shuffle(rows)
    return _of("malicious", rows, LIED_ABOUT)


def _contributor(name: str, subject: str, rows: Sequence[Row]) -> Contributor:
    """Cares about the tasks that need `subject`."""
    return _of(name, rows, tuple(name for name, task in TASKS.items() if subject in task.subjects))


def _of(name: str, rows: Sequence[Row], priority: tuple[str, ...]) -> Contributor:
    return Contributor(name, tuple(row.example() for row in rows), priority)
