"""The loop, walked by people in browsers: from a need to an answer that names whose expert it is.

Every button is pressed twice, and at the end the ledger shows that each made one thing.
"""

import re
import time
from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import Browser, WebSocket, expect

from mosaic_site.demo.content import Topic
from mosaic_site.supervisor import Stack
from tests.site.conftest import PATIENCE_SECONDS
from tests.site.facts import BUSES, LIBRARY, typed
from tests.site.people import Person

pytestmark = pytest.mark.slow

NEED = "Say how long things may be borrowed"
OTHER_NEED = "Say which bus goes where"
# How often the ledger says each of these after the walk.
TOLD = {
    "made a steward of": 1,
    "declared the priority": 2,
    "uploaded": 3,
    "found errors in": 1,
    "checked": 2,
    "described the dataset": 2,
    "submitted the expert": 4,
    "returned the expert": 1,
    "approved for training the expert": 3,
    "began to train the expert": 3,
    "trained and evaluated the expert": 2,
    "asked to cancel the job": 1,
    "cancelled the training of the expert": 1,
    "opened the round": 1,
    "cast a ballot in the round": 4,
    "closed and tallied the round": 1,
    "ratified the result of the round": 1,
    "began to compose": 1,
    "made live": 1,
}
CARD = {
    "What is in it?": "Questions people ask, with the answers they get.",
    "Where does it come from?": "Written for this walk.",
}


def declare(person: Person, need: str, topic: Topic) -> None:
    person.open("/priorities/new/")
    person.fill({"What should the model": need, "Probes, typed": typed(topic)})
    person.press("Declare this priority", then="How it is measured")


def describe_data(person: Person) -> None:
    person.follow("Write the card")
    person.main.get_by_label("Licence").select_option("CC-BY-4.0")
    person.fill(CARD)
    person.press("Save the card", then="This data is ready")


def submit(person: Person, name: str, *, thoroughness: str = "Normal") -> str:
    """From the page of checked data. Returns the path of the expert's page."""
    person.follow("Submit an expert with it")
    person.main.get_by_label("Name", exact=True).fill(name)
    person.fill({"What is it for?": f"{name}: what people ask at the desk."})
    person.main.get_by_label(thoroughness).check()
    person.press("Submit for approval", then="Waiting for a steward")
    return person.path


def approve(steward: Person, name: str) -> None:
    steward.open("/desk/")
    expect(steward.main.get_by_role("link", name=name, exact=True)).to_be_visible()
    steward.press("Approve for training", then="approved")


def vote(person: Person, names: list[str], link: str) -> None:
    person.open("/rounds/")
    person.follow("Spring round")
    person.follow(link)
    for box in person.main.get_by_role("checkbox").all():
        box.uncheck()
    for name in names:
        person.main.get_by_role("checkbox", name=name).check()
    person.press("Review my ballot", then=f"You approve of {len(names)} of 2 experts")
    person.press("Cast my ballot", then="your ballot was cast")


def until_eligible(person: Person) -> None:
    """On an expert's page: wait for the live panel to say that it is done, and follow it."""
    person.main.get_by_role("link", name="See what the expert can do").wait_for()
    person.follow("See what the expert can do")
    expect(person.main).to_contain_text("On the next ballot")
    expect(person.main.get_by_role("heading", name="Evidence")).to_be_visible()


def ask(person: Person, question: str) -> list[str]:
    """Ask the live model and check who answers. Returns the pieces that came over the socket."""
    pieces: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: pieces.append(str(frame)))

    person.page.on("websocket", listen)
    person.open("/talk/")
    person.fill({"Your question": question})
    person.press("Ask", then="Why this answer came from here")
    expect(person.main.locator(".turn--you")).to_have_count(1)
    answer = person.main.locator(".turn--model")
    expect(answer.locator(".turn__who")).to_have_text(re.compile("(Library desk|Bus guide) by "))
    expect(answer.locator(".turn__text")).not_to_be_empty()
    person.unfold("Why this answer came from here")
    expect(answer.get_by_role("link", name="release 1")).to_be_visible()
    return [piece for piece in pieces if "beforeend:#answer-" in piece]


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def people(browser: Browser, site: Stack) -> dict[str, Person]:
    contributor = Person(browser, site, dark=True)
    voter = Person(browser, site, phone=True)
    steward = Person(browser, site, scripts=False)
    return {
        "contributor": contributor.join("ada"),
        "voter": voter.join("bo"),
        "steward": steward.join("cy"),
        "visitor": Person(browser, site, phone=True, dark=True),
    }


def test_the_loop_closes(site: Stack, browser: Browser, people: Mapping[str, Person]) -> None:
    ada, bo, cy, visitor = people.values()
    site.manage("make_steward", "cy")
    visitor.open("/")

    # A need, and data for it: first a file with errors, then the right one.
    declare(ada, NEED, LIBRARY)
    ada.follow("Bring data for it")
    ada.main.get_by_label("Name", exact=True).fill("Library desk questions")
    ada.upload("library.csv", [("how long can i borrow a kite", ""), ("only one cell",)])
    ada.press("Upload and check", then="Library desk questions, version 1")
    expect(ada.main).to_contain_text("Has errors")
    expect(ada.main).to_contain_text("The cell 'answer' is empty.")
    expect(ada.main).to_contain_text("The row has 1 cell.")
    ada.follow("Add a new version")
    ada.upload("library.csv", LIBRARY.training_rows())
    ada.press("Upload and check", then="Library desk questions, version 2")
    expect(ada.main).to_contain_text("Nothing to complain of.")
    expect(ada.main).to_contain_text("how long may i keep a novel")
    data_page = ada.path
    describe_data(ada)

    # An expert, returned with a reason that everybody reads, and submitted again.
    library_page = submit(ada, "Library desk")
    cy.open("/desk/")
    cy.unfold("Return it with a reason")
    cy.fill({"Public reason": "Say in which library."})
    cy.press("Return to its owner", then="returned")
    bo.open(library_page)
    expect(bo.main).to_contain_text("Say in which library.")
    ada.open(library_page)
    ada.follow("Change and submit again")
    ada.fill({"What is it for?": "Loan periods of the town library."})
    ada.press("Submit again", then="Waiting for a steward")

    # Trained before one's eyes: nothing is reloaded, and a reload loses nothing.
    approve(cy, "Library desk")
    ada.open(library_page)
    ada.page.evaluate("window.neverReloaded = true")
    expect(ada.main.locator(".curve__line")).to_be_visible()
    expect(ada.main).to_contain_text("Tokens a second")
    assert ada.page.evaluate("window.neverReloaded")
    before = ada.curve_points()
    ada.page.reload()
    assert ada.curve_points() >= before > 0
    ada.look()

    # Meanwhile the second expert's way, on a phone.
    declare(bo, OTHER_NEED, BUSES)
    bo.follow("Bring data for it")
    bo.main.get_by_label("Name", exact=True).fill("Bus questions")
    bo.upload("buses.csv", BUSES.training_rows())
    bo.press("Upload and check", then="Bus questions, version 1")
    expect(bo.main).to_contain_text("Nothing to complain of.")
    describe_data(bo)
    bus_page = submit(bo, "Bus guide")
    approve(cy, "Bus guide")
    until_eligible(ada)
    bo.open(bus_page)
    until_eligible(bo)

    # A round of one minute.
    cy.open("/rounds/")
    cy.follow("Open a round")
    cy.fill({"Title": "Spring round", "Budget in MiB": "500", "Quorum": "2", "Voting lasts": "1"})
    cy.main.get_by_label("Minutes, hours or days").select_option("minutes")
    cy.press("Open the round", then="Can I vote?")
    vote(bo, ["Bus guide"], "Open my ballot")
    vote(ada, ["Library desk", "Bus guide"], "Open my ballot")
    vote(bo, ["Library desk", "Bus guide"], "Change my ballot")
    vote(cy, ["Library desk"], "Open my ballot")

    # While it is open: an expert whose owner stops its training.
    ada.open(data_page)
    stopped_page = submit(ada, "Second thoughts", thoroughness="Thorough")
    approve(cy, "Second thoughts")
    ada.open(stopped_page)
    expect(ada.main.locator(".curve__line")).to_be_visible()
    ada.unfold("Cancel this training")
    ada.fill({"Reason": "I know better now."})
    ada.press("Yes, stop it", then="I know better now.|Asked to stop|asked to stop already")
    expect(ada.main.locator("#training")).to_contain_text("Cancelled")
    ada.open(stopped_page)
    expect(ada.main).to_contain_text("I know better now.")
    expect(ada.main.get_by_role("link", name="Change and submit again")).to_be_visible()

    # The clock closes the round; the page that waits for it shows why each expert joined.
    bo.open("/rounds/")
    bo.follow("Spring round")
    expect(bo.main).to_contain_text("Provisional result")
    bo.unfold("Why: expert by expert")
    for name in ("Library desk", "Bus guide"):
        row = bo.main.get_by_role("row").filter(has_text=name).filter(has_text="Its supporters")
        expect(row.first).to_be_visible()
    expect(bo.main).to_contain_text("of your share went to 2 experts you approved")
    bo.look()
    cy.open("/desk/")
    cy.follow("Spring round")
    cy.unfold("Ratify")
    cy.press("Yes, ratify this result", then="Ratified by cy")

    # Composed before one's eyes, then live on the home page.
    ada.open_until("/releases/", "Release 1")
    ada.follow("Release 1")
    ada.main.get_by_role("link", name="Read the report of the release").wait_for()
    ada.follow("Read the report of the release")
    expect(ada.main).to_contain_text("Does it pay to compose?")
    expect(ada.main.get_by_role("heading", level=1)).to_contain_text("Live")
    visitor.open("/")
    for name in ("Library desk", "Bus guide"):
        expect(visitor.main.locator(".mosaic__key", has_text=name)).to_be_visible()

    # Who has no account talks to it, with and without JavaScript.
    until(lambda: "serving release 1" in site.log("serving").read_text())
    pieces = ask(visitor, "which bus goes to the zoo")
    assert len(pieces) > 1
    ask(Person(browser, site, scripts=False), "how long can i borrow a novel")

    # What happened stands in the ledger, each thing once.
    visitor.open("/ledger/")
    lines = [line.inner_text() for line in visitor.main.locator(".entry").all()]
    told = {sentence: sum(sentence in line for line in lines) for sentence in TOLD}
    assert told == TOLD
    assert f"{len(lines)} entries, chain intact" in site.manage("verify_ledger")
