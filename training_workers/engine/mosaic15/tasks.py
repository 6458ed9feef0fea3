"""The fifteen tasks of Mosaic-15: rows to train on, and items to fit, select and test on.

A two-hop question puts a noun phrase for r(e) where the question for s asks of an entity; its
answer is s(r(e)). Nobody trains on one, and no subject alone holds both facts.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from training_workers.engine.data import Example
from training_workers.engine.mosaic15 import rules
from training_workers.engine.mosaic15.wordings import (
    CLAIMS,
    DEV,
    FRESH,
    MESSAGES,
    NOUN_PHRASES,
    QUESTIONS,
    TEST,
    THINGS_TO_STORE,
    TRAIN,
    Wordings,
)
from training_workers.engine.mosaic15.world import World
from training_workers.engine.scoring import Item

RECALL, GENERALISE, TWO_HOP = "recall", "generalise", "two-hop"
SIZES = {DEV: 45, TEST: 40, FRESH: 40}
"""Items of a task; of those from dev wordings, `FIT` are to fit on, the others to select by."""
FIT = 30
CLAIMED_PEOPLE = 8
FALSE_A_TRUE = 2
WORDINGS_A_CASE = 2


@dataclass(frozen=True)
class Task:
    """A task, its kind, and the subjects whose knowledge it needs."""

    kind: str
    subjects: tuple[str, ...]


SUBJECTS = (
    "keeper",
    "river",
    "trade",
    "dish",
    "home",
    "triage",
    "mayor",
    "price",
    "claim",
    "shelf",
)
"""One a contributor, in a circle in which no two that a two-hop task joins are neighbours."""
KINDS = {"triage": GENERALISE, "shelf": GENERALISE}
TASKS = {
    **{subject: Task(KINDS.get(subject, RECALL), (subject,)) for subject in SUBJECTS},
    "keeper-home": Task(TWO_HOP, ("keeper", "home")),
    "keeper-trade": Task(TWO_HOP, ("keeper", "trade")),
    "mayor-trade": Task(TWO_HOP, ("mayor", "trade")),
    "home-river": Task(TWO_HOP, ("home", "river")),
    "dish-price": Task(TWO_HOP, ("dish", "price")),
}


@dataclass(frozen=True)
class Row:
    """A question and its answer, and the entity that it tells of."""

    entity: str
    prompt: str
    answer: str

    def example(self) -> Example:
        return Example(self.prompt, self.answer)


def training_rows(world: World, seed: int) -> dict[str, list[Row]]:
    """By subject, all that there is to train on."""
    draws = random.Random(f"{seed} train")
    rows = {}
    for subject in SUBJECTS:
        if subject == "claim":
            rows[subject] = _claims_to_learn(world, seed)
        elif subject in KINDS:
            rows[subject] = _cases(subject, seed, TRAIN, WORDINGS_A_CASE)
        else:
            rows[subject] = told(world.relations[subject], QUESTIONS[subject].train)
        draws.shuffle(rows[subject])
    return rows


def told(relation: dict[str, str], wordings: Sequence[str]) -> list[Row]:
    """Every fact in every wording."""
    return [
        Row(entity, wording.format(entity), value)
        for entity, value in relation.items()
        for wording in wordings
    ]


def items(world: World, seed: int, split: str) -> dict[str, list[Item]]:
    """By task, the items of `split`, as many as `SIZES` says; every fact before any twice."""
    return {
        task: [Item(row.prompt, (row.answer,), task) for row in _asked(task, world, seed, split)]
        for task in TASKS
    }


def _asked(task: str, world: World, seed: int, split: str) -> list[Row]:
    if task == "claim":
        return _claims_to_judge(world, seed, split)
    if task in KINDS:
        return _cases(task, seed, split, 1)
    relation, wordings = chain(world, task), QUESTIONS[TASKS[task].subjects[-1]].of(split)
    if TASKS[task].kind == TWO_HOP:
        phrases = NOUN_PHRASES[TASKS[task].subjects[0]].of(split)
        wordings = tuple(question.format(one) for question in wordings for one in phrases)
    draws = random.Random(f"{seed} {task} {split}")
    order = {entity: draws.sample(wordings, len(wordings)) for entity in relation}
    rows: list[Row] = []
    for turn in range(len(wordings)):
        entities = draws.sample(list(relation), len(relation))
        rows += [Row(one, order[one][turn].format(one), relation[one]) for one in entities]
    return rows[: SIZES[split]]


def chain(world: World, task: str) -> dict[str, str]:
    """The relation a task asks for: r of its subject, or s(r(e)) of its two."""
    first, *rest = TASKS[task].subjects
    relation = dict(world.relations[first])
    for subject in rest:
        step = world.relations[subject]
        relation = {entity: step[value] for entity, value in relation.items()}
    return relation


def _cases(subject: str, seed: int, split: str, wordings_a_case: int) -> list[Row]:
    make, wordings = {
        "triage": (rules.triage, MESSAGES),
        "shelf": (rules.shelf, THINGS_TO_STORE),
    }[subject]
    draws = random.Random(f"{seed} {subject} {split}")
    return [
        Row(case.entity, wording.format(case.text), case.answer)
        for case in make(seed)[split]
        for wording in draws.sample(wordings.of(split), wordings_a_case)
    ]


def _claimed(world: World, seed: int) -> list[tuple[str, str, Wordings]]:
    """The facts of which something is claimed: (person, relation, wordings)."""
    draws = random.Random(f"{seed} claim")
    people = draws.sample(list(world.relations["home"]), CLAIMED_PEOPLE)
    return [(person, about, wordings) for about, wordings in CLAIMS.items() for person in people]


def _claims_to_learn(world: World, seed: int) -> list[Row]:
    """Every fact in every wording, and in each wording other values in its place."""
    draws = random.Random(f"{seed} claim train")
    rows = []
    for person, about, wordings in _claimed(world, seed):
        relation = world.relations[about]
        for wording in wordings.train:
            rows.append(_claim(person, wording, relation[person], "yes"))
            for value in draws.sample(_others(relation, person), FALSE_A_TRUE):
                rows.append(_claim(person, wording, value, "no"))
    return rows


def _claims_to_judge(world: World, seed: int, split: str) -> list[Row]:
    """Every fact as often as any other, or once more; half of the claims are true."""
    draws = random.Random(f"{seed} claim {split}")
    facts = _claimed(world, seed)
    draws.shuffle(facts)
    rows = []
    for number in range(SIZES[split]):
        turn, fact = divmod(number, len(facts))
        person, about, wordings = facts[fact]
        relation = world.relations[about]
        if true := (turn + fact) % 2 == 0:
            value = relation[person]
        else:
            value = draws.choice(_others(relation, person))
        rows.append(_claim(person, wordings.of(split)[turn], value, "yes" if true else "no"))
    return rows


def _others(relation: dict[str, str], entity: str) -> list[str]:
    return sorted(set(relation.values()) - {relation[entity]})


def _claim(person: str, wording: str, value: str, answer: str) -> Row:
    return Row(person, wording.format(person, value=value), answer)
