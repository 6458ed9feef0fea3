"""The invented world of Mosaic-15: people, animals, towns and dishes, and how they are related.

A relation maps every entity of one kind to an entity or a word: r(e) = v. The seed draws the
names and all the facts. People's names, towns, rivers, animals and dishes are built from the words
and syllables that the tokenizer of `pocket` knows, so that a name is one to five tokens.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product

from training_workers.engine.lexicon import Lexicon
from training_workers.engine.mosaic15.wordings import words

PEOPLE, TOWNS, DISHES, ANIMALS = 40, 24, 24, 32
NOT_NAMES = {"will", "mark"}
"""First names that are also words of questions."""
COLOURS = words("red blue green yellow pink white gray purple")
SPECIES = words(
    "dog cat horse cow pig sheep goat rabbit duck goose hen parrot owl eagle crow "
    "lion tiger bear wolf fox deer monkey"
)
INGREDIENTS = words(
    "lemon onion pepper corn bean pear melon potato tomato carrot mushroom honey salmon cheese"
)
COURSES = words("soup pie salad cake rice stew")
TRADES = words(
    "baker weaver potter smith tailor miller hunter farmer driver painter singer "
    "writer teacher doctor pilot judge"
)
TOWN_ENDINGS = words("ley ton ford ham berg mar")
RIVER_ENDINGS = words("na ra lo mi ka su")


@dataclass(frozen=True)
class World:
    """By relation, the value of every entity. Animals carry their article."""

    relations: dict[str, dict[str, str]]

    @classmethod
    def draw(cls, seed: int) -> "World":
        draws = random.Random(f"{seed} world")
        lexicon = Lexicon.read()
        first_names = [name for name in lexicon.names if name not in NOT_NAMES]
        people = draws.sample(first_names, PEOPLE)
        syllables = [one for one in lexicon.phrases["syllables"] if 2 <= len(one) <= 3]
        towns = _pairs(draws, syllables, TOWN_ENDINGS, "", TOWNS, first_names)
        rivers = _pairs(draws, syllables, RIVER_ENDINGS, "", TOWNS, first_names)
        animals = [f"the {one}" for one in _pairs(draws, COLOURS, SPECIES, " ", ANIMALS)]
        dishes = _pairs(draws, INGREDIENTS, COURSES, " ", DISHES)
        prices = [f"{number} coins" for number in lexicon.numbers[2:]]
        return cls(
            {
                "keeper": dict(zip(animals, draws.sample(people, ANIMALS), strict=True)),
                "home": dict(zip(people, _spread(draws, towns, PEOPLE), strict=True)),
                "trade": dict(zip(people, _spread(draws, TRADES, PEOPLE), strict=True)),
                "mayor": dict(zip(towns, draws.sample(people, TOWNS), strict=True)),
                "river": dict(zip(towns, rivers, strict=True)),
                "dish": dict(zip(towns, dishes, strict=True)),
                "price": dict(zip(dishes, _spread(draws, prices, DISHES), strict=True)),
            }
        )


def _pairs(
    draws: random.Random,
    firsts: Sequence[str],
    seconds: Sequence[str],
    between: str,
    count: int,
    taken: Sequence[str] = (),
) -> list[str]:
    """`count` different words of a first part and a second, none of them `taken`."""
    made = sorted({between.join(pair) for pair in product(firsts, seconds)} - set(taken))
    return draws.sample(made, count)


def _spread(draws: random.Random, values: Sequence[str], count: int) -> list[str]:
    """`count` values in random order, each as often as any other, or once more."""
    spread = list(islice(cycle(draws.sample(values, len(values))), count))
    draws.shuffle(spread)
    return spread
