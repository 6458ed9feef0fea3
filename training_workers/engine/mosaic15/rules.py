"""Two rules to grasp from cases: which desk a message goes to, which shelf a thing.

Both are decision lists (Rivest 1987) over words: the first condition that holds decides. Training,
development and test share the words and no combination of them.
"""

import random
from dataclasses import dataclass
from itertools import product

from training_workers.engine.mosaic15.wordings import DEV, FRESH, TEST, TRAIN, words

TEST_CASES, DEV_CASES, TRAIN_CASES = 8, 9, 40
"""Cases of each answer in each split."""

THINGS = {
    "street": words("road bridge street tunnel corner signal lane station bus train"),
    "house": words("roof door window kitchen garden garage wall oven lamp bath"),
    "animal": words("dog cat horse cow pig sheep goat parrot owl hen"),
}
COMPLAINTS = {
    "loss": [
        "i lost the {}",
        "someone took the {}",
        "i can't find the {}",
        "the {} is gone",
        "the {} was stolen",
    ],
    "money": [
        "what do i pay for the {}",
        "the bill for the {} is wrong",
        "i want my money back for the {}",
        "who pays for the {}",
        "the {} costs too much",
    ],
    "harm": [
        "there is trouble with the {}",
        "the {} is in a bad way",
        "something is wrong with the {}",
        "please look at the {}",
        "the {} needs care",
    ],
}
DESKS = ["red desk", "blue desk", "green desk", "white desk", "yellow desk"]

SIZES = {"small": ["small", "tiny", "little", "short"], "large": ["big", "huge", "large", "tall"]}
MATERIALS = words("glass clay paper iron wooden leather silver cotton")
FRAGILE = 3
KINDS = {
    "tool": words("hammer saw drill shovel axe brush knife rake"),
    "clothing": words("shirt hat coat glove belt shoe dress scarf"),
    "vessel": words("cup bowl bottle plate pot jar pan mug"),
}
SHELVES = ["top shelf", "low shelf", "back shelf", "left shelf", "right shelf"]


@dataclass(frozen=True)
class Case:
    """What is described, by a text that names `entity`, and the answer."""

    text: str
    entity: str
    answer: str


def triage(seed: int) -> dict[str, list[Case]]:
    """Losses go to one desk, money matters to another, all else to the desk for its thing."""
    draws = random.Random(f"{seed} triage")
    desk = dict(
        zip(["loss", "money", "street", "house", "animal"], draws.sample(DESKS, 5), strict=True)
    )
    cases = [
        Case(complaint.format(thing), thing, desk[where if matter == "harm" else matter])
        for matter, complaints in COMPLAINTS.items()
        for complaint in complaints
        for where, things in THINGS.items()
        for thing in things
    ]
    return _split(draws, cases)


def shelf(seed: int) -> dict[str, list[Case]]:
    """Three materials go to one shelf, other large things to another, the rest by their kind."""
    draws = random.Random(f"{seed} shelf")
    fragile = set(draws.sample(MATERIALS, FRAGILE))
    place = dict(
        zip(["fragile", "large", *KINDS], draws.sample(SHELVES, 2 + len(KINDS)), strict=True)
    )
    cases = []
    for (size, sizes), (kind, things) in product(SIZES.items(), KINDS.items()):
        for word, material, thing in product(sizes, MATERIALS, things):
            rule = "fragile" if material in fragile else "large" if size == "large" else kind
            cases.append(Case(f"the {word} {material} {thing}", thing, place[rule]))
    return _split(draws, cases)


def _split(draws: random.Random, cases: list[Case]) -> dict[str, list[Case]]:
    """Disjoint cases for each split, as many of each answer.

    A fresh test has the cases of the test where no others are left.
    """
    parts: dict[str, list[Case]] = {TEST: [], DEV: [], TRAIN: [], FRESH: []}
    for answer in sorted({case.answer for case in cases}):
        chosen = [case for case in cases if case.answer == answer]
        draws.shuffle(chosen)
        for split, count in ((TEST, TEST_CASES), (DEV, DEV_CASES), (TRAIN, TRAIN_CASES)):
            parts[split] += chosen[:count]
            chosen = chosen[count:]
        enough = len(chosen) >= TEST_CASES
        parts[FRESH] += chosen[:TEST_CASES] if enough else parts[TEST][-TEST_CASES:]
    for part in parts.values():
        draws.shuffle(part)
    return parts
