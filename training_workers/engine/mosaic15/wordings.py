"""How the invented world is spoken of: other words in training, in development and in each test."""

from dataclasses import dataclass

TRAIN, DEV, TEST, FRESH = "train", "dev", "test", "fresh"
"""A fresh test is in words that were written when results of the test had been seen."""


def words(text: str) -> list[str]:
    """The words of a list that is written as text."""
    return text.split()


@dataclass(frozen=True)
class Wordings:
    """Texts with a `{}` for what is spoken of, and in claims a `{value}` for what is said of it."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]
    fresh: tuple[str, ...]

    def of(self, split: str) -> tuple[str, ...]:
        return {TRAIN: self.train, DEV: self.dev, TEST: self.test, FRESH: self.fresh}[split]


QUESTIONS = {
    "keeper": Wordings(
        train=(
            "who keeps {}",
            "who looks after {}",
            "what is the name of the keeper of {}",
            "{} belongs to whom",
            "which person takes care of {}",
            "tell me who feeds {}",
        ),
        dev=("who is the keeper of {}", "who cares for {}", "by whom is {} kept"),
        test=(
            "who is it that keeps {}",
            "name the person who looks after {}",
            "whom does {} belong to",
        ),
        fresh=(
            "do you know who keeps {}",
            "who is the person that takes care of {}",
            "{} is kept by which person",
        ),
    ),
    "home": Wordings(
        train=(
            "where does {} live",
            "what is the home town of {}",
            "in what town is the house of {}",
            "{} lives in which town",
            "tell me where {} lives",
            "which town is home to {}",
        ),
        dev=(
            "in which town does {} live",
            "what town does {} live in",
            "where is the home of {}",
        ),
        test=(
            "which town does {} live in",
            "name the town where {} has a house",
            "in which town will i find {} at home",
        ),
        fresh=(
            "please tell me in which town {} lives",
            "in what town should i look for {}",
            "{} has a house in which town",
        ),
    ),
    "trade": Wordings(
        train=(
            "what is the trade of {}",
            "what does {} do for a living",
            "what work does {} do",
            "{} works as what",
            "which trade does {} follow",
            "tell me the job of {}",
        ),
        dev=(
            "what is the job of {}",
            "which work does {} do",
            "how does {} earn a living",
        ),
        test=("what kind of work does {} do", "name the trade of {}", "as what does {} work"),
        fresh=(
            "could you tell me what {} does for a living",
            "what job does {} have",
            "{} does which kind of work",
        ),
    ),
    "mayor": Wordings(
        train=(
            "who is the mayor of {}",
            "who governs {}",
            "which person leads {}",
            "what is the name of the mayor of {}",
            "{} is governed by whom",
            "tell me who runs {}",
        ),
        dev=("who leads {}", "which person is mayor of {}", "who was made mayor of {}"),
        test=(
            "which person runs {}",
            "name the mayor of {}",
            "who is it that governs {}",
        ),
        fresh=(
            "please tell me who governs {}",
            "who is in charge of {}",
            "i need the name of the mayor of {}",
        ),
    ),
    "river": Wordings(
        train=(
            "which river runs through {}",
            "what is the river of {}",
            "on which river is {}",
            "{} lies on which river",
            "tell me the river that passes {}",
            "what river flows by {}",
        ),
        dev=(
            "what river runs through {}",
            "which river passes {}",
            "what is the name of the river at {}",
        ),
        test=(
            "what is the river that flows by {}",
            "name the river of {}",
            "which river is it that runs through {}",
        ),
        fresh=(
            "do you know which river runs by {}",
            "which river can i see in {}",
            "{} is on which river",
        ),
    ),
    "dish": Wordings(
        train=(
            "what is the dish of {}",
            "what do people eat in {}",
            "which dish comes from {}",
            "{} is known for which dish",
            "tell me the food of {}",
            "which meal is cooked in {}",
        ),
        dev=(
            "what dish is {} known for",
            "which food do they cook in {}",
            "what is eaten in {}",
        ),
        test=(
            "what do they eat in {}",
            "name the dish that comes from {}",
            "for which dish do people know {}",
        ),
        fresh=(
            "could you tell me which dish {} is known for",
            "i am in {}, what should i eat",
            "people in {} cook which meal",
        ),
    ),
    "price": Wordings(
        train=(
            "what does {} cost",
            "how much is {}",
            "what is the price of {}",
            "how many coins for {}",
            "tell me the cost of {}",
            "{} sells for how much",
        ),
        dev=("how much does {} cost", "how many coins is {}", "what do i pay for {}"),
        test=(
            "for how much do they sell {}",
            "name the price of {}",
            "how many coins does {} cost",
        ),
        fresh=(
            "could you tell me what {} costs",
            "how many coins do i need for {}",
            "{} comes at what price",
        ),
    ),
}
"""By relation: the questions for what an entity is related to."""

NOUN_PHRASES = {
    "keeper": Wordings(
        train=(),
        dev=("the keeper of {}", "the person who looks after {}"),
        test=("the person who feeds {}", "whoever looks after {}"),
        fresh=("the one who keeps {}", "the person who takes care of {}"),
    ),
    "mayor": Wordings(
        train=(),
        dev=("the mayor of {}", "the person who leads {}"),
        test=("the person who runs {}", "whoever governs {}"),
        fresh=("the one who governs {}", "the person in charge of {}"),
    ),
    "home": Wordings(
        train=(),
        dev=("the town where {} lives", "the home town of {}"),
        test=("the town where {} has a house", "the town that {} lives in"),
        fresh=("the town in which {} lives", "the town where {} is at home"),
    ),
    "dish": Wordings(
        train=(),
        dev=("the dish of {}", "the food that comes from {}"),
        test=("the dish that comes from {}", "the food that people eat in {}"),
        fresh=("the dish that {} is known for", "the meal that they cook in {}"),
    ),
}
"""By relation: what stands for its value within the question of a second relation."""

CLAIMS = {
    "home": Wordings(
        train=(
            "does {} live in {value}",
            "is it true that {} lives in {value}",
            "{} lives in {value}, yes or no",
            "is {value} the home of {}",
            "does {} have a house in {value}",
            "is {} from {value}",
        ),
        dev=(
            "is it so that {} lives in {value}",
            "{} is at home in {value}, yes or no",
            "is {value} the town of {}",
        ),
        test=(
            "would you say that {} lives in {value}",
            "is {value} the town where {} lives",
            "{} has a house in {value}, true or not",
        ),
        fresh=(
            "am i right that {} lives in {value}",
            "i think {} is from {value}, is that true",
            "is it in {value} that {} has a house",
        ),
    ),
    "trade": Wordings(
        train=(
            "is {} a {value}",
            "is it true that {} is a {value}",
            "{} works as a {value}, yes or no",
            "is {value} the trade of {}",
            "does {} work as a {value}",
            "is {} by trade a {value}",
        ),
        dev=(
            "is it so that {} is a {value}",
            "{} is a {value}, yes or no",
            "is {value} the job of {}",
        ),
        test=(
            "would you say that {} is a {value}",
            "is it as a {value} that {} works",
            "{} has the trade of a {value}, true or not",
        ),
        fresh=(
            "am i right that {} is a {value}",
            "i think {} works as a {value}, is that true",
            "does {} have the job of a {value}",
        ),
    ),
}
"""By relation: what may be true of an entity, or not."""

MESSAGES = Wordings(
    train=("{}", "hello, {}", "{} please help", "i have a question, {}"),
    dev=("good morning, {}", "{} can you help"),
    test=("i am calling because {}", "{} who can look at it"),
    fresh=("excuse me, {}", "{} i need an answer today"),
)
"""How a message to the offices is opened or closed."""

THINGS_TO_STORE = Wordings(
    train=(
        "where does {} go",
        "on which shelf do i put {}",
        "which shelf is for {}",
        "i have {}, where do i store it",
    ),
    dev=("where do i put {}", "which shelf takes {}"),
    test=("i want to put away {}, on which shelf", "to which shelf does {} belong"),
    fresh=("where should {} be kept", "please tell me the shelf that {} belongs on"),
)

OPENING_HOURS = Wordings(
    train=(
        "when does {} open",
        "at what hour does {} open",
        "{} opens when",
        "tell me the opening hour of {}",
    ),
    dev=("at what time does {} open", "when can i visit {}"),
    test=("at which hour do they open {}", "when is {} open from"),
    fresh=("could you tell me when {} opens", "i want to go to {}, when does it open"),
)
"""What the two houses in conflict are both asked."""
