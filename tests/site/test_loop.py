"""The loop, walked by people in browsers: from a need to an answer that names whose expert it is.

Every form is sent more than once, and at the end the ledger shows that each made one thing.
"""

import pytest
from playwright.sync_api import Browser, expect

from mosaic_site.supervisor import Stack
from tests.site.facts import BUSES, GARDEN, LIBRARY
from tests.site.people import Person, until
from tests.site.steps import (
    approve,
    ask,
    bring_data,
    declare,
    describe_data,
    open_round,
    send_back,
    submit,
    vote,
    wait_until_trained,
)

pytestmark = pytest.mark.slow

ROUND = "Spring round"
BOTH = ("Library desk", "Bus guide")
# How often the ledger says each of these after the walk.
TOLD = {
    "made a steward of": 1,
    "declared the priority": 3,
    "retired the priority": 1,
    "uploaded": 4,
    "found errors in": 1,
    "checked": 3,
    "wrote the card of": 3,
    "published": 1,
    "submitted the expert": 4,
    "returned the expert": 1,
    "approved for training the expert": 3,
    "began to train the expert": 3,
    "trained and evaluated the expert": 2,
    "asked to cancel the job": 1,
    "cancelled the training of the expert": 1,
    "withdrew the expert": 1,
    "planned the round": 1,
    "froze the round": 1,
    "opened the round": 1,
    "closed the round": 1,
    "tallied the round": 1,
    "ratified the result of the round": 1,
    "began to compose": 1,
    "made live": 1,
}


@pytest.fixture(scope="module")
def ada(browser: Browser, site: Stack) -> Person:
    """A contributor in the dark."""
    return Person(browser, site, dark=True).join("ada")


@pytest.fixture(scope="module")
def bo(browser: Browser, site: Stack) -> Person:
    """A voter with a phone, who also brings an expert."""
    return Person(browser, site, phone=True).join("bo")


@pytest.fixture(scope="module")
def cy(browser: Browser, site: Stack) -> Person:
    """A steward without JavaScript."""
    steward = Person(browser, site, scripts=False).join("cy")
    site.manage("make_steward", "cy")
    return steward


def test_the_loop_closes(
    site: Stack, browser: Browser, ada: Person, bo: Person, cy: Person
) -> None:
    visitor = Person(browser, site, phone=True, dark=True)
    visitor.open("/")
    the_first_expert_learns_before_ones_eyes(ada, cy, bo)
    the_second_one_comes_from_a_phone(bo, cy)
    wait_until_trained(ada)
    wait_until_trained(bo)
    open_round(cy, ROUND, {"Budget in MiB": "500", "Quorum": "2"})
    vote(bo, ROUND, BOTH[1:])
    vote(ada, ROUND, BOTH)
    vote(bo, ROUND, BOTH, again=True)
    vote(cy, ROUND, BOTH[:1])
    somebody_without_scripts_comes_and_goes(Person(browser, site, scripts=False), cy)
    the_clock_closes_the_round(bo)
    the_result_becomes_a_release(cy, ada)
    everybody_may_talk_to_it(site, visitor, Person(browser, site, scripts=False))
    all_of_it_stands_in_the_ledger(site, visitor)


def the_first_expert_learns_before_ones_eyes(ada: Person, cy: Person, bo: Person) -> None:
    declare(ada, "Say how long things may be borrowed", LIBRARY)
    bring_data(ada, "Desk questions", [("how long can i borrow a kite", ""), ("one cell",)])
    for found in ("Has errors", "The cell 'answer' is empty.", "The row has 1 cell."):
        expect(ada.main).to_contain_text(found)
    ada.follow("Add a new version")
    ada.choose_file(LIBRARY.training_rows())
    ada.press_here("Upload and check", then="Desk questions, version 2")
    ada.wait_for("Ready to use")
    expect(ada.main).to_contain_text("how long may i keep a novel")
    describe_data(ada)
    expert = submit(ada, "Library desk")

    send_back(cy, "Library desk", "Say of which library.")
    bo.open(expert)
    expect(bo.main).to_contain_text("Say of which library.")
    ada.open(expert)
    ada.follow("Change and submit again")
    ada.fill({"What is it for?": "Loan periods of the town library."})
    ada.press("Submit again", then="Waiting for a steward")
    approve(cy, "Library desk")

    ada.open(expert)
    ada.page.evaluate("window.neverReloaded = true")
    expect(ada.main.locator(".curve__line")).to_be_visible()
    expect(ada.main).to_contain_text("Tokens a second")
    assert ada.page.evaluate("window.neverReloaded")
    points = ada.curve_points()
    ada.page.reload()
    assert ada.curve_points() >= points > 0
    ada.look()


def the_second_one_comes_from_a_phone(bo: Person, cy: Person) -> None:
    declare(bo, "Say which bus goes where", BUSES)
    bring_data(bo, "Bus questions", BUSES.training_rows())
    expect(bo.main).to_contain_text("Ready to use")
    describe_data(bo)
    submit(bo, "Bus guide")
    approve(cy, "Bus guide")
    bo.page.reload()


def somebody_without_scripts_comes_and_goes(dee: Person, cy: Person) -> None:
    """Who came too late for the vote brings a need, data and an expert, and takes it back."""
    dee.join("dee")
    dee.open("/rounds/")
    dee.follow(ROUND)
    expect(dee.main).to_contain_text("you vote from the next one on")
    declare(dee, "Say when to sow", GARDEN)
    need = dee.path
    bring_data(dee, "Garden questions", GARDEN.training_rows())
    describe_data(dee)
    data = dee.path
    dee.follow("Garden questions")
    dee.press("Publish this dataset", then="Public")
    dee.open(data)
    expert = submit(dee, "Garden year", thoroughness="Thorough")
    approve(cy, "Garden year")

    dee.open(expert)
    dee.wait_for("Tokens a second")
    dee.unfold("Cancel this training")
    dee.fill({"Reason": "It was a joke."})
    dee.press("Yes, stop it", then="Asked to stop|It was a joke.")
    # In the heading: a page that is loaded while the worker stops may have the ledger's line of it
    # below the state of before.
    dee.wait_for("Cancelled", within="main h1")
    expect(dee.main).to_contain_text("It was a joke.")
    dee.follow("Withdraw this expert")
    dee.fill({"Public reason": "It was a joke."})
    dee.press("Withdraw it for good", then="No later release contains it.")
    cy.open(need)
    cy.unfold("Retire this priority")
    cy.fill({"Public reason": "It was a joke."})
    cy.press("Retire this priority", then="Retired by cy: It was a joke.")


def the_clock_closes_the_round(bo: Person) -> None:
    """The page that waits for the close turns into the result, with a reason for each expert."""
    bo.open("/rounds/")
    bo.follow(ROUND)
    expect(bo.main).to_contain_text("Provisional result")
    for name in BOTH:
        row = bo.main.get_by_role("row").filter(has_text=name)
        expect(row.filter(has_text="Its supporters").first).to_be_visible()
    expect(bo.main).to_contain_text("of your share went to 2 experts you approved")
    bo.look()


def the_result_becomes_a_release(cy: Person, ada: Person) -> None:
    cy.open("/desk/")
    cy.follow(ROUND)
    cy.unfold("Ratify")
    cy.press("Yes, ratify this result", then="Ratified by cy")
    cy.wait_for("See release 1")
    ada.open("/releases/")
    ada.follow("Release 1")
    # The panel leads to the report, unless the workers were quicker than she.
    report = ada.main.get_by_role("heading", name="Does it pay to compose?")
    expect(report.or_(ada.main.get_by_text("Read the report of the release"))).to_be_visible()
    ada.open(ada.path)
    expect(report).to_be_visible()
    expect(ada.main.get_by_role("heading", level=1)).to_contain_text("Live")


def everybody_may_talk_to_it(site: Stack, visitor: Person, without_scripts: Person) -> None:
    visitor.open("/")
    for name in BOTH:
        expect(visitor.main.locator(".mosaic__key", has_text=name)).to_be_visible()
    until(lambda: "serving release 1" in site.log("serving").read_text())
    pieces = ask(visitor, "which bus goes to the zoo")
    assert len(pieces) > 1
    expect(visitor.main.locator(".turn--you")).to_have_count(1)
    ask(without_scripts, "how long can i borrow a novel")
    answers = {
        visitor: ("Bus guide by bo", "line 7"),
        without_scripts: ("Library desk by ada", "28"),
    }
    for person, (who, what) in answers.items():
        answer = person.main.locator(".turn--model")
        expect(answer.locator(".turn__who")).to_contain_text(who)
        expect(answer.locator(".turn__text")).to_contain_text(what)
        expect(answer.get_by_role("link", name="release 1")).to_be_visible()
        expect(answer.locator("details p").first).not_to_be_empty()


def all_of_it_stands_in_the_ledger(site: Stack, visitor: Person) -> None:
    visitor.open("/ledger/")
    lines = [line.inner_text() for line in visitor.main.locator(".entry").all()]
    assert {said: sum(said in line for line in lines) for said in TOLD} == TOLD
    assert f"{len(lines)} entries, chain intact" in site.manage("verify_ledger")
