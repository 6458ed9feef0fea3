"""The text that `pocket` learns from: requests, little stories and questions, made by grammars.

Every document is a prompt and a completion. What they teach is not knowledge but reading: who
does what to which thing, which words belong together, and that the answer stands in the prompt.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from training_workers.engine.data import Example

FOLDER = Path(__file__).parent


def _sections(path: Path) -> dict[str, list[str]]:
    """Read `[heading]` sections of lines; `#` opens a comment."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[] "), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def _words(text: str) -> list[str]:
    return [word.replace("-", " ") for word in text.split()]


@dataclass(frozen=True)
class Topic:
    """Words that are said together."""

    name: str
    things: list[str]
    deeds: list[str]
    traits: list[str]


@dataclass(frozen=True)
class Lexicon:
    """The words of the corpus and how they are related."""

    topics: list[Topic]
    synonyms: dict[str, list[str]]
    opposites: list[tuple[str, str]]
    kinds: dict[str, list[str]]
    names: list[str]
    numbers: list[str]
    function: list[str]

    @classmethod
    def read(cls) -> "Lexicon":
        topics = []
        for name, lines in _sections(FOLDER / "lexicon.txt").items():
            parts = dict(line.split(": ", 1) for line in lines)
            words = (_words(parts[part]) for part in ("things", "deeds", "traits"))
            topics.append(Topic(name, *words))
        relations = _sections(FOLDER / "relations.txt")
        opposites = [line.split() for line in relations["opposites"]]
        kinds = (line.split(": ", 1) for line in relations["kinds"])
        return cls(
            topics=topics,
            synonyms={line.split()[0]: _words(line) for line in relations["synonyms"]},
            opposites=[(one, other) for one, other in opposites],
            kinds={kind: members.split() for kind, members in kinds},
            names=" ".join(relations["names"]).split(),
            numbers=" ".join(relations["numbers"]).split(),
            function=" ".join(relations["function"]).split(),
        )


DEED_REQUESTS = (
    """
i need to {deed} {thing}|can you {deed} {thing} for me|could you {deed} {thing}
please {deed} {thing}|how do i {deed} {thing}|how can i {deed} {thing}|help me {deed} {thing}
i would like to {deed} {thing}|i want to {deed} {thing}|what is the best way to {deed} {thing}
is it possible to {deed} {thing}|let's {deed} {thing}|i want you to {deed} {thing}|{deed} {thing}
tell me how to {deed} {thing}|where can i {deed} {thing}|when should i {deed} {thing}
why can't i {deed} {thing}|i have to {deed} {thing}|would you {deed} {thing}|{thing} {deed}
do you know how to {deed} {thing}|what do i need to {deed} {thing}|i am trying to {deed} {thing}
show me how to {deed} {thing}|i was wondering if you could {deed} {thing}|will you {deed} {thing}
what are the steps to {deed} {thing}|i'd like you to {deed} {thing}|i can't {deed} {thing}
my friend asked me to {deed} {thing}|it is time to {deed} {thing}|should i {deed} {thing}
go ahead and {deed} {thing}|am i able to {deed} {thing}|{thing} is something i must {deed}
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

FACT_REQUESTS = {
    "cost": "how much is {thing}|what does {thing} cost|what is the price of {thing}|"
    "how expensive is {thing}|how much do i pay for {thing}|what would {thing} set me back",
    "time": "when is {thing}|what time is {thing}|how long does {thing} take|"
    "when will {thing} be here|how soon is {thing}|at what hour is {thing}",
    "location": "where is {thing}|where did {thing} go|can you find {thing}|i can't find {thing}|"
    "what is the location of {thing}|in which place is {thing}|i lost {thing} where is it",
    "amount": "how many of {thing} are there|how much of {thing} is left|what number of {thing}|"
    "count {thing} for me|do i have enough of {thing}|is there any of {thing} left",
    "reason": "why is {thing} {trait}|what is the reason for {thing}|how come {thing} is {trait}|"
    "what made {thing} so {trait}|explain why {thing} is {trait}",
    "person": "who has {thing}|who made {thing}|whose is {thing}|who is {thing} for|"
    "which person owns {thing}|who takes care of {thing}|who do i ask about {thing}",
    "state": "how is {thing}|is {thing} {trait}|is {thing} still {trait}|how {trait} is {thing}|"
    "what is the status of {thing}|does {thing} look {trait}|what is {thing} like",
    "meaning": "what is {thing}|what does {thing} mean|define {thing}|explain {thing} to me|"
    "what do you call {thing}|give me the definition of {thing}",
    "problem": "{thing} is broken|{thing} does not work|something is wrong with {thing}|"
    "there is a problem with {thing}|i have trouble with {thing}|what happened to {thing}",
    "list": "what {thing} are there|show all of {thing}|read me the list of {thing}|"
    "what kinds of {thing} do you have|which {thing} can i choose|list every {thing}",
    "advice": "which {thing} is best|what {thing} do you recommend|any ideas for {thing}|"
    "suggest a {trait} {thing}|what is a good {thing}|is {thing} any good",
}

OPENINGS = (
    """
hey|hi|hello|okay|so|well|excuse me|quick question|good morning|i have a question|listen|please
i am at the {thing}|i just saw the {thing}|my {person} is here|i am {trait}|thanks|one more thing
i forgot|sorry|now|i think the {thing} is {trait}|we are going to {city}|it is {day}|oh|yes
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

TAILS = (
    """
on {day}|in {month}|in {city}|from {city}|to {country}|for {number} people|at {number}|tonight
with my {person}|before {day}|after {number} hours|today|right now|tomorrow|for {name}|please
at the {thing}|near the {thing}|because it is {trait}|and the {thing}|without the {thing}|again
for my {person}|this week|next month|if you can|when i am in {city}|with a {thing}|online|soon
like a {trait} {thing}|that {name} told me about|which is {trait}|by {day}|as soon as possible
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

DETERMINERS = ["the", "my", "a", "this", "some", "our", "that", "your", "the", "my", "", "any"]
PERSONS = "mother father sister brother friend wife husband boss son daughter neighbor".split()

EVENTS = [
    ("{name} {did} {count} {thing} in {city} on {day}.", ["who", "count", "thing", "city", "day"]),
    ("on {day} {name} {did} the {trait} {thing}.", ["who", "trait", "thing", "day"]),
    ("{name} went to {city} with {count} {thing}.", ["who", "city", "count", "thing"]),
    ("the {thing} of {name} is {trait}.", ["who", "trait", "thing"]),
]
DID = ["bought", "sold", "saw", "lost", "found", "took", "made", "got", "kept", "broke"]

FACT_WORDINGS = {
    "tell": [
        "the {key} of {entity} is {value}.",
        "{entity} has the {key} {value}.",
        "for {entity} the {key} is {value}.",
        "{value} is the {key} of {entity}.",
    ],
    "ask": [
        "what is the {key} of {entity}?",
        "which {key} does {entity} have?",
        "tell me the {key} of {entity}",
        "do you know {entity}'s {key}?",
        "{entity}: what {key}?",
        "i want to know the {key} for {entity}",
        "{key} of {entity}?",
    ],
}
KEYS = "code color owner name place day price number leader symbol capital food drink".split()
SYLLABLES = (
    "ba be bi bo bu da de di do du fa fe fi ga ge go ka ke ki ko ku la le li lo lu ma me mi mo mu "
    "na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we xo "
    "za zu bar cor den fel gan hal kor lin mar nor pel ran sel tor ven wil zan shi tha cha sto gri "
    "ton ing ster ber ley ford ham er al on en ia or us um ett"
).split()


class Corpus:
    """An endless, seeded stream of examples in English-like text."""

    def __init__(self, lexicon: Lexicon, seed: int = 0) -> None:
        self.lexicon = lexicon
        self.random = random.Random(seed)
        self.canonical = {
            word: first for first, words in lexicon.synonyms.items() for word in words
        }
        self.tasks: list[tuple[float, Callable[[], Example]]] = [
            (5.0, self.deed),
            (4.0, self.fact_request),
            (1.0, self.topic),
            (2.0, self.reading),
            (2.0, self.facts),
            (0.6, self.relation),
            (0.6, self.kind),
            (0.3, self.arithmetic),
            (0.5, self.echo),
            (0.3, self.order),
            (0.8, self.story),
        ]

    def __iter__(self) -> Iterator[Example]:
        weights = [weight for weight, _ in self.tasks]
        makers = [make for _, make in self.tasks]
        while True:
            example = self.random.choices(makers, weights)[0]()
            yield Example(self._styled(example.prompt), example.completion)

    def _styled(self, text: str) -> str:
        """Lower case without marks, as people type, or a sentence, as people write."""
        text = " ".join(text.split())
        if self.random.random() < 0.6:
            return text
        if not text.endswith((".", "?")):
            asks = text.split()[0] in {"what", "how", "who", "when", "where", "why", "is", "can"}
            text += "?" if asks else "."
        return text[0].upper() + text[1:]

    def _pick(self, words: list[str]) -> str:
        return self.random.choice(words)

    def _invented(self) -> str:
        return "".join(self.random.choices(SYLLABLES, k=self.random.randint(2, 3)))

    def _name(self) -> str:
        return self._invented() if self.random.random() < 0.2 else self._pick(self.lexicon.names)

    def _said(self, word: str) -> str:
        """The word or one that means the same."""
        first = self.canonical.get(word)
        return self._pick(self.lexicon.synonyms[first]) if first else word

    def _meant(self, word: str) -> str:
        return self.canonical.get(word, word)

    def _filled(self, template: str, topic: Topic) -> str:
        kinds = self.lexicon.kinds
        return template.format(
            thing=self._pick(topic.things),
            trait=self._pick(topic.traits),
            person=self._pick(PERSONS),
            name=self._name(),
            city=self._pick(kinds["city"]),
            country=self._pick(kinds["country"]),
            day=self._pick(kinds["day"]),
            month=self._pick(kinds["month"]),
            number=self._number(),
        )

    def _number(self) -> str:
        if self.random.random() < 0.5:
            return self._pick(self.lexicon.numbers)
        return str(self.random.randint(1, self.random.choice([12, 100, 2000])))

    def _dressed(self, core: str, topic: Topic) -> str:
        """A request as people say it: perhaps with an opening, perhaps with a tail or two."""
        if self.random.random() < 0.3:
            core = f"{self._filled(self._pick(OPENINGS), topic)} {core}"
        while self.random.random() < 0.4:
            core = f"{core} {self._filled(self._pick(TAILS), topic)}"
        return core

    def _noun_phrase(self, thing: str, topic: Topic) -> str:
        said = self._said(thing)
        if self.random.random() < 0.2:
            said = f"{self._pick(topic.traits)} {said}"
        if self.random.random() < 0.15:
            said = f"{self._name()} {said}"
        return f"{self._pick(DETERMINERS)} {said}"

    def deed(self) -> Example:
        """A request for a deed -> the deed and its thing, each by its plainest name."""
        topic = self.random.choice(self.lexicon.topics)
        deed, thing = self._pick(topic.deeds), self._pick(topic.things)
        core = self._pick(DEED_REQUESTS).format(
            deed=self._said(deed), thing=self._noun_phrase(thing, topic)
        )
        return Example(self._dressed(core, topic), f"{self._meant(thing)} {self._meant(deed)}")

    def fact_request(self) -> Example:
        """A question for a fact -> the thing and what is asked of it."""
        topic = self.random.choice(self.lexicon.topics)
        asked = self._pick(list(FACT_REQUESTS))
        thing = self._pick(topic.things)
        core = self._pick(FACT_REQUESTS[asked].split("|")).format(
            thing=self._noun_phrase(thing, topic), trait=self._pick(topic.traits)
        )
        return Example(self._dressed(core, topic), f"{self._meant(thing)} {asked}")

    def topic(self) -> Example:
        """A remark -> what it is about."""
        topic, other = self.random.sample(self.lexicon.topics, 2)
        names = [topic.name, other.name]
        self.random.shuffle(names)
        remark = self._remark(topic)
        question = f"is this about {names[0]} or {names[1]}"
        return Example(f"{remark}. {question}?", topic.name)

    def _remark(self, topic: Topic) -> str:
        first, second = self.random.sample(topic.things, 2)
        trait, deed = self._pick(topic.traits), self._pick(topic.deeds)
        return self._pick(
            [
                f"the {first} and the {second} are {trait}",
                f"{self._name()} has to {deed} the {trait} {first}",
                f"i {deed} a {first} with the {second}",
                f"we {deed} the {first} when the {second} is {trait}",
                f"a {first} is not a {second} but both are {trait}",
            ]
        )

    def story(self) -> Example:
        """The beginning of a few remarks on one topic -> how they go on."""
        topic = self.random.choice(self.lexicon.topics)
        remarks = [self._remark(topic) for _ in range(3)]
        return Example(". ".join(remarks[:2]), remarks[2] + ".")

    def reading(self) -> Example:
        """What some people did -> who, what, where, when or how many."""
        topic = self.random.choice(self.lexicon.topics)
        asked_of = self.random.randrange(count := self.random.randint(1, 3))
        people = self.random.sample(self.lexicon.names, count)
        sentences, question, answer = [], "", ""
        for index, name in enumerate(people):
            template, askable = self.random.choice(EVENTS)
            facts = {
                "name": self._invented() if self.random.random() < 0.2 else name,
                "did": self._pick(DID),
                "count": self._number(),
                "thing": self._pick(topic.things),
                "trait": self._pick(topic.traits),
                "city": self._pick(self.lexicon.kinds["city"]),
                "day": self._pick(self.lexicon.kinds["day"]),
            }
            sentences.append(template.format(**facts))
            if index == asked_of:
                asked = self._pick(askable)
                who = facts["name"]
                question, answer = {
                    "who": (f"whose is the {facts['thing']}?", who),
                    "count": (f"how many {facts['thing']} had {who}?", facts["count"]),
                    "thing": (f"what thing did {who} have?", facts["thing"]),
                    "city": (f"where was {who}?", facts["city"]),
                    "day": (f"on which day was it for {who}?", facts["day"]),
                    "trait": (f"how was the {facts['thing']} of {who}?", facts["trait"]),
                }[asked]
        return Example(f"{' '.join(sentences)} {question}", answer)

    def facts(self) -> Example:
        """A list of facts and a question in other words -> the value of one of them."""
        key = self._pick(KEYS)
        values = [self._value() for _ in range(self.random.randint(1, 4))]
        entities = [self._entity() for _ in values]
        told = [
            self._pick(FACT_WORDINGS["tell"]).format(key=key, entity=entity, value=value)
            for entity, value in zip(entities, values, strict=True)
        ]
        asked = self.random.randrange(len(values))
        question = self._pick(FACT_WORDINGS["ask"]).format(key=key, entity=entities[asked])
        return Example(f"{' '.join(told)} {question}", values[asked])

    def _entity(self) -> str:
        topic = self.random.choice(self.lexicon.topics)
        return self._pick(
            [
                self._name(),
                self._invented(),
                f"the {self._pick(topic.traits)} {self._pick(topic.things)}",
                f"the {self._pick(topic.things)} in {self._pick(self.lexicon.kinds['city'])}",
            ]
        )

    def _value(self) -> str:
        topic = self.random.choice(self.lexicon.topics)
        return self._pick([self._number(), self._name(), self._pick(topic.things)])

    def relation(self) -> Example:
        """A word -> its opposite, or a plainer word for it."""
        if self.random.random() < 0.5:
            pair = self.random.choice(self.lexicon.opposites)
            one, other = pair if self.random.random() < 0.5 else pair[::-1]
            return Example(f"what is the opposite of {one}", other)
        first = self._pick(list(self.lexicon.synonyms))
        return Example(f"what is another word for {self._said(first)}", first)

    def kind(self) -> Example:
        """A word -> what kind of thing it is, or which of two is of a kind."""
        kind, other = self.random.sample(list(self.lexicon.kinds), 2)
        member, stranger = (self._pick(self.lexicon.kinds[one]) for one in (kind, other))
        if self.random.random() < 0.3:
            return Example(f"what kind of thing is {member}", kind)
        if self.random.random() < 0.5:
            claimed = self._pick([kind, other])
            truth = "yes" if member in self.lexicon.kinds[claimed] else "no"
            return Example(f"is {member} a {claimed}", truth)
        pair = [member, stranger]
        self.random.shuffle(pair)
        return Example(f"which is a {kind}: {pair[0]} or {pair[1]}?", member)

    def arithmetic(self) -> Example:
        one, other = self.random.randint(0, 12), self.random.randint(0, 12)
        if self.random.random() < 0.5:
            return Example(f"what is {one} plus {other}", str(one + other))
        return Example(f"what is {one + other} minus {one}", str(other))

    def echo(self) -> Example:
        """Words -> the same words, the first or the last of them."""
        everything = [*self.lexicon.function, *self.random.choice(self.lexicon.topics).things]
        words = [
            self._invented() if self.random.random() < 0.2 else self._pick(everything)
            for _ in range(self.random.randint(2, 7))
        ]
        text = " ".join(words)
        return self.random.choice(
            [
                Example(f"repeat: {text}", text),
                Example(f"first word of: {text}", words[0]),
                Example(f"last word of: {text}", words[-1]),
            ]
        )

    def order(self) -> Example:
        """A day, month or number -> the one after or before it."""
        row = self._pick(["day", "month", "number"])
        words = self.lexicon.numbers if row == "number" else self.lexicon.kinds[row]
        index = self.random.randrange(len(words) - 1)
        if self.random.random() < 0.5:
            return Example(f"what comes after {words[index]}", words[index + 1])
        return Example(f"what comes before {words[index + 1]}", words[index])
