"""What people do on the site, each step as the pages offer it."""

from collections.abc import Mapping, Sequence

from playwright.sync_api import WebSocket, expect

from mosaic_site.demo.content import Topic
from tests.site.facts import typed
from tests.site.people import Person

CARD = {
    "What is in it?": "Questions people ask, with the answers they get.",
    "Where does it come from?": "Written for this walk.",
}


def declare(person: Person, need: str, topic: Topic) -> None:
    person.open("/priorities/new/")
    person.fill({"What should the model": need, "Probes, typed": typed(topic)})
    person.press("Declare this priority", then="How it is measured")


def bring_data(person: Person, name: str, rows: Sequence[tuple[str, ...]]) -> None:
    """From the page of a priority to the report on the file."""
    person.follow("Bring data for it")
    person.main.get_by_label("Name", exact=True).fill(name)
    person.choose_file(rows)
    person.press_here("Upload and check", then=f"{name}, version 1")
    person.wait_for("What was found")


def describe_data(person: Person) -> None:
    """From the report on a file to the point where an expert can learn from it."""
    person.follow("Write the card")
    person.main.get_by_label("Licence").select_option("CC-BY-4.0")
    person.fill(CARD)
    person.press("Save the card", then="This data is ready")


def submit(person: Person, name: str, *, thoroughness: str = "Normal") -> str:
    """From the page of described data. Returns the path of the expert's page."""
    person.follow("Submit an expert with it")
    person.main.get_by_label("Name", exact=True).fill(name)
    person.fill({"What is it for?": f"{name}: what people ask at the desk."})
    person.main.get_by_label(thoroughness).check()
    person.press("Submit for approval", then="Waiting for a steward")
    return person.path


def send_back(steward: Person, name: str, reason: str) -> None:
    steward.open("/desk/")
    expect(steward.main.get_by_role("link", name=name, exact=True)).to_be_visible()
    steward.unfold("Return it with a reason")
    steward.fill({"Public reason": reason})
    steward.press("Return to its owner", then="returned")


def approve(steward: Person, name: str) -> None:
    steward.open("/desk/")
    expect(steward.main.get_by_role("link", name=name, exact=True)).to_be_visible()
    steward.press("Approve for training", then="approved")


def wait_until_trained(person: Person) -> None:
    """On an expert's page: the live panel says when it is done, and leads to the evidence."""
    person.follow("See what the expert can do")
    expect(person.main.get_by_role("heading", level=1)).to_contain_text("On the next ballot")
    expect(person.main.get_by_role("heading", name="Evidence")).to_be_visible()
    expect(person.main.locator(".interval").first).to_be_visible()


def open_round(steward: Person, title: str, fields: Mapping[str, str]) -> None:
    """A round of one minute."""
    steward.open("/rounds/")
    steward.follow("Plan a round")
    steward.fill({"Title": title, "Voting lasts": "1", "can be contested": "0", **fields})
    steward.main.get_by_label("Minutes, hours or days").select_option("minutes")
    steward.press("Plan the round", then="Can I vote?")


def vote(person: Person, title: str, names: Sequence[str], *, again: bool = False) -> None:
    """Cast a ballot that approves of `names` and of nobody else; `again`: change it to that."""
    person.open("/rounds/")
    person.follow(title)
    person.follow("Change my ballot" if again else "Open my ballot")
    for box in person.main.get_by_role("checkbox").all():
        box.uncheck()
    for name in names:
        person.main.get_by_role("checkbox", name=name).check()
    person.press("Review my ballot", then=f"You approve of {len(names)} of")
    person.press("Cast my ballot", then="Your ballot is cast")


def ask(person: Person, question: str) -> list[str]:
    """Ask the live model and unfold why. Returns the pieces that came over the socket."""
    frames: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: frames.append(str(frame)))

    person.page.on("websocket", listen)
    person.open("/talk/")
    person.fill({"Your question": question})
    person.press_here("Ask", then="Why this answer came from here")
    person.unfold("Why this answer came from here")
    person.look()
    return [frame for frame in frames if "beforeend:#answer-" in frame]
