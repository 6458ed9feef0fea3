"""Rows to learn from, made by the bench: questions to a town's counter in fifteen intents.

Each intent has eight wordings. Six of them make the rows to train on; the other two, which nobody
trains on, make the held-out rows. So a score tells whether an expert has learnt more than wordings.
"""

import random
from dataclasses import dataclass

from training_workers.engine.data import Example

OPENINGS = ("", "hello, ", "hi there, ", "good morning, ", "excuse me, ", "quick question: ")
CLOSINGS = ("", " please", " thanks", " for my family", " this week", " today", " soon", " again")
PLACES = ("north", "harbour", "old town", "station", "castle", "mill", "market", "river")
WORDINGS_TO_TRAIN_ON = 6


@dataclass(frozen=True)
class Intent:
    """What somebody wants, how they say it, and the sentence that answers them."""

    label: str
    wordings: tuple[str, ...]
    reply: str


INTENTS = (
    Intent(
        "borrow a bike",
        (
            "can i borrow a bike at the {p} stand", "i want to rent a bike near {p}",
            "where do i get a city bike in {p}", "how do i unlock a bike at {p}",
            "is there a bike for me at {p}", "i need a bicycle from the {p} rack",
            "bike hire at {p} how does it work", "take out a bicycle at {p}",
        ),
        "Open the app, scan the code on the frame, and the bike unlocks within a few seconds.",
    ),
    Intent(
        "renew a passport",
        (
            "my passport runs out, what now at {p}", "renew my passport at the {p} office",
            "how long does a new passport take in {p}", "which photo for a passport at {p}",
            "passport renewal at {p} what do i bring", "can the {p} counter extend my passport",
            "i need a fresh passport from {p}", "what does a passport cost at {p}",
        ),
        "Bring the old passport and one photo; the new one is ready after about three weeks.",
    ),
    Intent(
        "report a broken lamp",
        (
            "a street lamp is broken in {p}", "the lamp on {p} road stays dark",
            "report a street light out near {p}", "no light at night in {p} street lamp dead",
            "the {p} lamp post flickers", "who repairs the lamp in {p}",
            "street lamp at {p} does not work", "a dark lamp at the {p} corner",
        ),
        "Thank you, the works team looks at every reported lamp within two working days.",
    ),
    Intent(
        "book a sports hall",
        (
            "book the sports hall in {p}", "is the {p} gym hall free on friday",
            "we want to play volleyball in the {p} hall", "reserve the {p} sports hall",
            "how much is the sports hall at {p}", "hall for our club in {p} how to book",
            "our team needs the {p} sports hall", "a slot in the {p} hall for badminton",
        ),
        "Clubs reserve a hall online up to eight weeks ahead; the first hour is free of charge.",
    ),
    Intent(
        "collect bulky waste",
        (
            "pick up my old sofa in {p}", "bulky waste collection in {p}",
            "a mattress must go from {p} street", "when do you take bulky rubbish in {p}",
            "collect a broken wardrobe at {p}", "get rid of old furniture in {p}",
            "bulky rubbish at {p} to be collected", "an old sofa stands in {p}, take it",
        ),
        "Order a collection online, then put the things on the pavement after six in the evening.",
    ),
    Intent(
        "enrol a child in school",
        (
            "enrol my daughter in the {p} school", "school registration in {p}",
            "my son starts school in {p}, what to do", "first class at {p} how to sign up",
            "which school takes children from {p}", "sign my child up at {p} school",
            "my child should go to school in {p}", "register a pupil at the {p} school",
        ),
        "Registration is open in February; bring the birth certificate and proof of address.",
    ),
    Intent(
        "pay a parking fine",
        (
            "i got a parking fine in {p}", "pay a parking ticket from {p}",
            "how do i pay the fine for parking at {p}", "parked wrong in {p}, where to pay",
            "the {p} parking ticket seems wrong", "until when is the {p} parking fine due",
            "a fine for my parked car in {p}", "settle my parking ticket of {p}",
        ),
        "Pay within two weeks with the number on the ticket, or object in writing in that time.",
    ),
    Intent(
        "adopt a tree",
        (
            "i want to adopt a tree in {p}", "can we water the trees in {p}",
            "plant a tree on {p} square", "look after the young tree at {p}",
            "tree adoption near {p} how", "who waters the street trees of {p}",
            "adopt the little tree by {p}", "care for a tree in {p} street",
        ),
        "Choose a tree on the map, and we bring you a watering bag and a sign with your name.",
    ),
    Intent(
        "find the swimming pool",
        (
            "when does the {p} swimming pool open", "is the {p} pool warm",
            "swimming lessons at the {p} pool", "how much is swimming in {p}",
            "can children swim at the {p} pool", "is the pool in {p} open on sunday",
            "swim at {p} on sunday morning", "the {p} pool, is it open for swimming",
        ),
        "The pool is open from seven to nine; children swim for half the price on weekdays.",
    ),
    Intent(
        "register a dog",
        (
            "register my dog in {p}", "dog tax in {p} how much",
            "we got a puppy in {p}, must it be registered", "new dog at {p}, which form",
            "a tag for my dog from {p}", "where is the dog tax paid in {p}",
            "my new puppy needs a dog tag in {p}", "sign in a dog living at {p}",
        ),
        "Register the dog within four weeks; the tag comes by post and must be worn outside.",
    ),
    Intent(
        "get a residence permit",
        (
            "how do i get a residence permit in {p}", "extend my residence permit at {p}",
            "my permit to stay expires, {p} office", "papers for a residence permit in {p}",
            "appointment for a residence permit at {p}", "may i stay in {p} without a permit",
            "residence permit at {p} for my wife", "permit to stay in {p} runs out",
        ),
        "Make an appointment six weeks before the permit ends and bring proof of your income.",
    ),
    Intent(
        "hire a market stall",
        (
            "a stall at the {p} market", "sell vegetables on {p} market",
            "how much is a market stall in {p}", "we bake bread and want a stall at {p}",
            "flea market in {p} where to apply", "apply for a stall on the {p} market",
            "rent a market stall in {p}", "sell my cheese at the {p} market stall",
        ),
        "Stalls are given out by the month; apply by the tenth and say what you want to sell.",
    ),
    Intent(
        "report a lost thing",
        (
            "i lost my wallet in {p}", "is there a lost and found in {p}",
            "i left my umbrella on the {p} tram", "found a key near {p}, where to bring it",
            "my bag got lost at {p}", "did anyone hand in a phone in {p}",
            "lost my keys around {p}", "somebody found my lost wallet in {p}",
        ),
        "Things that were found are kept for six months; ask at the counter and describe yours.",
    ),
    Intent(
        "ask for a quiet street",
        (
            "the music in {p} is too loud", "noise at night in {p}",
            "neighbours in {p} party till morning", "construction noise on {p} street",
            "who do i call about noise in {p}", "it is too loud to sleep in {p}",
            "loud party next door in {p}", "noise from the bar at {p} every night",
        ),
        "Between ten and six it must be quiet; call the patrol and it comes within the hour.",
    ),
    Intent(
        "get married",
        (
            "we want to get married in {p}", "a wedding at the {p} town hall",
            "which papers for a marriage in {p}", "is saturday free for a wedding in {p}",
            "what does a wedding cost at {p}", "how many guests fit the {p} wedding room",
            "marry at the {p} registry", "a date for our wedding in {p}",
        ),
        "Choose a date online, then come together with your papers at least six weeks before.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Rows:
    """Examples to train on and others to score with; no prompt is in both."""

    train: list[Example]
    held_out: list[Example]


def make_rows(
    train: int,
    held_out: int,
    seed: int,
    *,
    intents: tuple[Intent, ...] = INTENTS,
    long: bool = False,
) -> Rows:
    """So many different rows of each kind, spread evenly over the intents.

    The completion is the intent's label, or its reply with `long`. Raises ValueError where the
    wordings do not suffice.
    """
    draws = random.Random(seed)
    cut = WORDINGS_TO_TRAIN_ON
    return Rows(
        _drawn(train, [(one, one.wordings[:cut]) for one in intents], draws, long),
        _drawn(held_out, [(one, one.wordings[cut:]) for one in intents], draws, long),
    )


def _drawn(
    count: int,
    sources: list[tuple[Intent, tuple[str, ...]]],
    draws: random.Random,
    long: bool,
) -> list[Example]:
    rows = []
    for position, (intent, wordings) in enumerate(sources):
        prompts = [
            opening + wording.format(p=place) + closing
            for wording in wordings
            for place in PLACES
            for opening in OPENINGS
            for closing in CLOSINGS
        ]
        share = count // len(sources) + (position < count % len(sources))
        completion = intent.reply if long else intent.label
        rows += [Example(prompt, completion) for prompt in draws.sample(prompts, share)]
    draws.shuffle(rows)
    return rows
