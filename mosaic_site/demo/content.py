"""What the people of the demo community bring: small tables of facts, asked in many wordings.

A fact is (subject, value) under a topic. Training rows take all wordings of a topic but the last;
the last one is kept for the probes, so that an expert is asked in words it has not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Questions with one blank, `{}`, and the answer for each subject that may fill it."""

    wordings: tuple[str, ...]
    facts: Mapping[str, str]

    def training_rows(self) -> list[tuple[str, str]]:
        return [
            (wording.format(subject), answer)
            for subject, answer in self.facts.items()
            for wording in self.wordings[:-1]
        ]

    def probes(self) -> list[tuple[str, str]]:
        return [
            (self.wordings[-1].format(subject), answer) for subject, answer in self.facts.items()
        ]


@dataclass(frozen=True)
class Contribution:
    """One person's priority, dataset and expert."""

    username: str
    person: str
    priority: str
    why: str
    dataset: str
    licence: str
    summary: str
    origin: str
    limits: str
    expert: str
    purpose: str
    topics: tuple[Topic, ...]

    def training_rows(self) -> list[tuple[str, str]]:
        return [row for topic in self.topics for row in topic.training_rows()]

    def probes(self) -> list[tuple[str, str]]:
        return [row for topic in self.topics for row in topic.probes()]


def _facts(table: str) -> dict[str, str]:
    """`subject: value` lines."""
    pairs = (line.split(":") for line in table.strip().splitlines())
    return {subject.strip(): value.strip() for subject, value in pairs}


LIBRARY = Contribution(
    username="librarian",
    person="The librarian",
    priority="Answer what people ask at the library desk",
    why="Most questions at the desk are the same twenty. People should get them answered at night "
    "and on Sundays too.",
    dataset="Library desk questions",
    licence="CC-BY-4.0",
    summary="Loan periods and shelves of a small public library, asked in different words.",
    origin="Written down by the librarian from a year of questions at the desk.",
    limits="One library. No opening hours: they change too often to be learnt.",
    expert="Library desk",
    purpose="Says how long things may be borrowed and on which shelf they stand.",
    topics=(
        Topic(
            (
                "how long can i borrow {}",
                "how long may i keep {}",
                "what is the loan period for {}",
                "for how many days can i take {} home",
                "i borrowed {} when do i have to bring it back",
                "how many days do i have for {}",
                "when is {} due back",
                "tell me how long i can borrow {}",
            ),
            _facts(
                """
                a novel: 28 days
                a comic: 14 days
                a film: 7 days
                a magazine: 7 days
                a board game: 14 days
                an atlas: 2 days
                a cookbook: 28 days
                a language course: 42 days
                a record: 14 days
                a telescope: 3 days
                a sewing machine: 10 days
                a guitar: 30 days
                """
            ),
        ),
        Topic(
            (
                "where do i find books about {}",
                "on which shelf are books about {}",
                "i am looking for books about {}",
                "which shelf has books about {}",
                "can you tell me where books about {} are",
                "show me the way to books about {}",
                "where are your books about {}",
            ),
            _facts(
                """
                space: shelf A
                birds: shelf B
                painting: shelf C
                football: shelf D
                history: shelf E
                cooking: shelf F
                trains: shelf G
                plants: shelf H
                music: shelf J
                travel: shelf K
                computers: shelf L
                health: shelf M
                """
            ),
        ),
    ),
)

BIKES = Contribution(
    username="mechanic",
    person="The bicycle mechanic",
    priority="Help people mend their own bicycle",
    why="The repair café is open on one evening a week. A flat tyre does not wait.",
    dataset="Repair café notes",
    licence="CC0-1.0",
    summary="Which tool a job on a bicycle needs, and what a fault most likely comes from.",
    origin="Notes that the mechanic kept at the repair café.",
    limits="Ordinary city bicycles; nothing about electric ones.",
    expert="Bicycle repair",
    purpose="Names the tool for a job and the likely cause of a fault.",
    topics=(
        Topic(
            (
                "which tool do i need to {}",
                "what do i need to {}",
                "i want to {} what should i use",
                "what tool is right to {}",
                "with what can i {}",
                "how can i {} which tool",
                "tell me the tool to {}",
            ),
            _facts(
                """
                remove a tyre: tyre lever
                open the chain: chain tool
                turn a spoke: spoke key
                take off a pedal: pedal wrench
                tighten the saddle: hex key
                loosen the wheel: 15 mm spanner
                cut a cable: cable cutter
                pull off the crank: crank puller
                pump the tyre: floor pump
                clean the chain: old brush
                close a hole: patch
                set the gears: screwdriver
                """
            ),
        ),
        Topic(
            (
                "why does {}",
                "what is the reason that {}",
                "{} what is wrong",
                "on my bicycle {} why",
                "help {} what can it be",
                "what does it mean when {}",
                "{} what is the cause",
            ),
            _facts(
                """
                the brake squeal: dirty rim
                the chain jump: worn sprocket
                the wheel wobble: loose spoke
                the saddle creak: dry bolt
                the light flicker: loose wire
                the tyre lose air: old valve
                the pedal click: loose bearing
                the gear slip: slack cable
                the lever feel soft: stretched cable
                the fork knock: loose headset
                """
            ),
        ),
    ),
)

GARDEN = Contribution(
    username="gardener",
    person="The allotment gardener",
    priority="Know what to sow and when",
    why="New people on the allotments lose their first year to wrong dates and wrong distances.",
    dataset="Allotment calendar",
    licence="CC-BY-SA-4.0",
    summary="The month in which vegetables are sown outdoors and the distance between plants.",
    origin="The calendar that hangs in the tool shed of the allotments.",
    limits="A mild northern climate. Other places sow earlier or later.",
    expert="Allotment calendar",
    purpose="Says in which month to sow and how far apart to plant.",
    topics=(
        Topic(
            (
                "when do i sow {}",
                "in which month do i sow {}",
                "what is the best month to sow {}",
                "when is it time to sow {}",
                "i have seeds of {} when do they go into the ground",
                "when should {} be sown",
                "which month is right for sowing {}",
            ),
            _facts(
                """
                carrots: april
                beans: may
                peas: march
                radishes: march
                pumpkins: may
                spinach: august
                beetroot: april
                kale: june
                onions: march
                garlic: october
                lettuce: april
                leeks: february
                """
            ),
        ),
        Topic(
            (
                "how far apart do i plant {}",
                "what distance do {} need",
                "how much room do {} need",
                "how many centimetres between {}",
                "what is the distance between {}",
                "how wide should i space {}",
                "what spacing is right for {}",
            ),
            _facts(
                """
                carrots: 5 cm
                beans: 15 cm
                peas: 8 cm
                radishes: 4 cm
                pumpkins: 120 cm
                spinach: 10 cm
                beetroot: 12 cm
                kale: 50 cm
                onions: 9 cm
                garlic: 18 cm
                lettuce: 25 cm
                leeks: 16 cm
                """
            ),
        ),
    ),
)

KITCHEN = Contribution(
    username="cook",
    person="The canteen cook",
    priority="Cook for a crowd without a recipe book",
    why="Volunteers at the community kitchen ask the same numbers over and over.",
    dataset="Community kitchen numbers",
    licence="CC-BY-4.0",
    summary="Boiling times and amounts for one person, as the community kitchen uses them.",
    origin="The sheet on the wall of the community kitchen, put into questions by the cook.",
    limits="Rules of thumb. Not for food safety and not for allergies.",
    expert="Community kitchen",
    purpose="Gives boiling times and the amount for one person.",
    topics=(
        Topic(
            (
                "how long do i boil {}",
                "how long does it take to boil {}",
                "how many minutes do i cook {}",
                "what is the boiling time of {}",
                "when are {} done in boiling water",
                "for how many minutes do {} boil",
                "how many minutes until {} are cooked",
            ),
            _facts(
                """
                potatoes: 20 minutes
                noodles: 9 minutes
                lentils: 30 minutes
                eggs: 8 minutes
                chickpeas: 90 minutes
                dumplings: 15 minutes
                corn cobs: 12 minutes
                broccoli florets: 5 minutes
                rice grains: 18 minutes
                white beans: 60 minutes
                turnips: 25 minutes
                """
            ),
        ),
        Topic(
            (
                "how much {} for one person",
                "how much {} does one person need",
                "what amount of {} do i count for each guest",
                "how many grams of {} for each person",
                "how much {} should i buy for one guest",
                "for one plate how much {}",
                "how much {} do i plan for each eater",
            ),
            _facts(
                """
                pasta: 110 grams
                rice: 70 grams
                soup: 300 grams
                salad: 80 grams
                bread: 100 grams
                cheese: 40 grams
                meat: 150 grams
                vegetables: 200 grams
                sauce: 60 grams
                cake: 120 grams
                fruit: 130 grams
                """
            ),
        ),
    ),
)

RECYCLING = Contribution(
    username="caretaker",
    person="The caretaker",
    priority="Put the right rubbish into the right bin",
    why="A wrong bin costs the whole house a collection.",
    dataset="Which bin, which day",
    licence="ODC-By-1.0",
    summary="Which bin takes which kind of rubbish, and on which day each street is collected.",
    origin="The collection plan of the houses that the caretaker looks after.",
    limits="The rules of one town; bins have other colours elsewhere.",
    expert="Bins and days",
    purpose="Names the bin for a thing and the collection day of a street.",
    topics=(
        Topic(
            (
                "which bin takes {}",
                "where do i throw {}",
                "in which bin do i put {}",
                "what do i do with {}",
                "where does {} go",
                "how do i get rid of {}",
                "what is the right bin for {}",
            ),
            _facts(
                """
                a pizza box: blue bin
                an old newspaper: blue bin
                a jam jar: glass bank
                a wine bottle: glass bank
                a yoghurt pot: yellow bin
                a milk carton: yellow bin
                an apple core: brown bin
                a tea bag: brown bin
                a broken plate: grey bin
                a nappy: grey bin
                a dead battery: shop box
                an old phone: depot
                a paint tin: depot
                """
            ),
        ),
        Topic(
            (
                "when is the rubbish collected in {}",
                "on which day do the bins go out in {}",
                "what is the collection day of {}",
                "which day do they empty the bins in {}",
                "i live in {} when do i put the bins out",
                "when does the lorry come to {}",
                "which day is collection in {}",
            ),
            _facts(
                """
                mill lane: monday
                church street: tuesday
                station road: wednesday
                garden row: thursday
                harbour way: friday
                castle hill: saturday
                market square: monday
                river walk: tuesday
                school road: wednesday
                forest edge: thursday
                """
            ),
        ),
    ),
)

TRAMS = Contribution(
    username="conductor",
    person="The tram conductor",
    priority="Find the right tram without a phone number to call",
    why="The information line closes at six, the trams run until one.",
    dataset="Tram network by heart",
    licence="CC-BY-4.0",
    summary="Which line stops where, and what each kind of ticket costs.",
    origin="Written by a conductor from the plan in the tram.",
    limits="Says nothing about delays or building sites.",
    expert="Tram lines",
    purpose="Names the line to a stop and the price of a ticket.",
    topics=(
        Topic(
            (
                "which tram goes to {}",
                "what line do i take to {}",
                "how do i get to {} by tram",
                "which line stops at {}",
                "i want to go to {} which tram is it",
                "what tram do i need for {}",
                "by which line can i reach {}",
            ),
            _facts(
                """
                the zoo: line 1
                the hospital: line 4
                the airport: line 9
                the stadium: line 6
                the museum: line 2
                the university: line 5
                the beach: line 8
                the old town: line 3
                the opera: line 2
                the fair: line 7
                the cemetery: line 4
                the lake: line 8
                """
            ),
        ),
        Topic(
            (
                "how much is {}",
                "what does {} cost",
                "what is the price of {}",
                "how much do i pay for {}",
                "how expensive is {}",
                "i need {} what does it cost",
                "tell me the price of {}",
            ),
            _facts(
                """
                a single ticket: 3 euros
                a day ticket: 8 euros
                a week ticket: 24 euros
                a month ticket: 66 euros
                a child ticket: 2 euros
                a group ticket: 15 euros
                a night ticket: 5 euros
                a dog ticket: 1 euro
                """
            ),
        ),
    ),
)

CONTRIBUTIONS = (LIBRARY, BIKES, GARDEN, KITCHEN, RECYCLING, TRAMS)
