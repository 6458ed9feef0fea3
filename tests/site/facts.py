"""What the people of these tests bring: facts of a small town, each asked in several wordings."""

from mosaic_site.demo.content import Topic

LIBRARY = Topic(
    wordings=(
        "how long can i borrow {}",
        "how long may i keep {}",
        "what is the loan period for {}",
        "for how many days can i take {} home",
        "i borrowed {} when do i have to bring it back",
        "how many days do i have for {}",
        "tell me how long i can borrow {}",
    ),
    facts={
        "a novel": "28 days",
        "a comic": "14 days",
        "a film": "7 days",
        "an atlas": "2 days",
        "a cookbook": "21 days",
        "a language course": "42 days",
        "a telescope": "3 days",
        "a sewing machine": "10 days",
        "a guitar": "30 days",
        "a tent": "5 days",
        "a magazine": "7 days",
        "a board game": "14 days",
        "a record": "14 days",
        "a map": "2 days",
        "a drill": "3 days",
        "a projector": "5 days",
        "a puzzle": "21 days",
        "a violin": "30 days",
        "a camera": "10 days",
        "a song book": "28 days",
    },
)
BUSES = Topic(
    wordings=(
        "which bus goes to {}",
        "what bus do i take to {}",
        "how do i get to {} by bus",
        "is there a bus to {}",
        "i want to go to {} which line is it",
        "name the bus line to {}",
        "tell me which bus goes to {}",
    ),
    facts={
        "the harbour": "line 4",
        "the hospital": "line 11",
        "the zoo": "line 7",
        "the airport": "line 90",
        "the stadium": "line 3",
        "the university": "line 15",
        "the castle": "line 22",
        "the lake": "line 8",
        "the museum": "line 2",
        "the market": "line 5",
        "the station": "line 6",
        "the opera": "line 9",
        "the old town": "line 12",
        "the cemetery": "line 14",
        "the beach": "line 16",
        "the forest": "line 20",
    },
)
MONTHS = ["march", "april", "may", "june", "july", "august", "september", "october"]
# Enough to learn that nobody's machine is done before its owner stops it.
GARDEN = Topic(
    wordings=(
        "when do i sow bed {}",
        "what is the month for bed {}",
        "in which month is bed {} sown",
        "bed {} is empty when do i sow it",
        "tell me when to sow bed {}",
    ),
    facts={str(bed): MONTHS[bed % len(MONTHS)] for bed in range(1, 81)},
)


def typed(topic: Topic) -> str:
    """The probes of a topic as a member types them."""
    return "\n".join(f"{prompt} => {answer}" for prompt, answer in topic.probes())
