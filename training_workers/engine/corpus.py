"""The text that `pocket` learns from: requests, little stories and questions, made by grammars.

Every document is a prompt and a completion. What they teach is not knowledge but reading: who
does what to which thing, which words belong together, and that the answer stands in the prompt.
"""

import random
from collections.abc import Callable, Iterator

from training_workers.engine.data import Example
from training_workers.engine.lexicon import Lexicon, Topic

DETERMINERS = ["the", "my", "a", "this", "some", "our", "that", "your", "the", "my", "", "any"]
EVENTS = [
    ("{name} {did} {count} {thing} in {city} on {day}.", ["who", "count", "thing", "city", "day"]),
    ("on {day} {name} {did} the {trait} {thing}.", ["who", "trait", "thing", "day"]),
    ("{name} went to {city} with {count} {thing}.", ["who", "city", "count", "thing"]),
    ("the {thing} of {name} is {trait}.", ["who", "trait", "thing"]),
]


class Corpus:
    """An endless, seeded stream of examples in English-like text."""

    def __init__(self, lexicon: Lexicon, seed: int = 0) -> None:
        self.lexicon = lexicon
        self.phrases = lexicon.phrases
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
        return "".join(self.random.choices(self.phrases["syllables"], k=self.random.randint(2, 3)))

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
            person=self._pick(self.phrases["persons"]),
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
            core = f"{self._filled(self._pick(self.phrases['openings']), topic)} {core}"
        while self.random.random() < 0.4:
            core = f"{core} {self._filled(self._pick(self.phrases['tails']), topic)}"
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
        core = self._pick(self.phrases["deed requests"]).format(
            deed=self._said(deed), thing=self._noun_phrase(thing, topic)
        )
        return Example(self._dressed(core, topic), f"{self._meant(thing)} {self._meant(deed)}")

    def fact_request(self) -> Example:
        """A question for a fact -> the thing and what is asked of it."""
        topic = self.random.choice(self.lexicon.topics)
        asked = self._pick(list(self.lexicon.wordings))
        thing = self._pick(topic.things)
        core = self._pick(self.lexicon.wordings[asked]).format(
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
                "did": self._pick(self.phrases["did"]),
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
        key = self._pick(self.phrases["keys"])
        values = [self._value() for _ in range(self.random.randint(1, 4))]
        entities = [self._entity() for _ in values]
        told = [
            self._pick(self.phrases["fact told"]).format(key=key, entity=entity, value=value)
            for entity, value in zip(entities, values, strict=True)
        ]
        asked = self.random.randrange(len(values))
        question = self._pick(self.phrases["fact asked"]).format(key=key, entity=entities[asked])
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
