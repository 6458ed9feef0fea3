"""Declaring, reading and retiring priorities, through the pages."""

import io
import json
import random
import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from contributions.actions import priority_merge
from contributions.actions.priorities import split_dev, split_parts
from contributions.models import Priority, Probe
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from tests.factories import make_eligible_expert, make_priority, make_user

pytestmark = pytest.mark.django_db

NEW = reverse("contributions:priority_new")
SIX = "\n".join(f"question {number} => answer {number}" for number in range(6))


def typed(**changes: object) -> dict[str, object]:
    return {"once": str(uuid.uuid4()), "statement": "Know the library", "typed": SIX} | changes


def upload(content: str, name: str = "probes.csv") -> io.BytesIO:
    file = io.BytesIO(content.encode())
    file.name = name
    return file


def test_declared_with_typed_probes(client: Client) -> None:
    owner = make_user()
    client.force_login(owner)

    response = client.post(NEW, typed(why="People phone us."))

    priority = Priority.objects.get()
    assert response.headers["Location"] == priority.get_absolute_url()
    assert (priority.owner, priority.why) == (owner, "People phone us.")
    assert priority.probes.per_part() == {"fit": 2, "select": 2, "sealed": 2}
    assert Entry.objects.get().action == "priority.declared"


def test_declared_with_a_file(client: Client) -> None:
    client.force_login(make_user())
    rows = "".join(f"question {number},answer {number}\n" for number in range(8))

    client.post(NEW, typed(typed="", file=upload("question,answer\n" + rows)))

    assert Priority.objects.get().probes.count() == 8


def task(kind: str, dev: int, test: int, **changes: object) -> io.BytesIO:
    """A task file of so many items in its lists; every item takes `changes`."""
    if kind == "multiple_choice":
        item: dict[str, object] = {"choices": {"A": "a cat", "B": "a dog"}, "answer": "B"}
        key = "question"
    else:
        item, key = {"output": "a dog"}, "input"
    lists = {
        split: [item | {key: f"{split} question {number}"} | changes for number in range(count)]
        for split, count in (("dev", dev), ("test", test))
    }
    return upload(json.dumps({"name": "pets", "task_type": kind} | lists), "pets.json")


def test_a_task_brings_its_type_its_choices_and_its_own_split(client: Client) -> None:
    client.force_login(make_user())

    response = client.post(NEW, typed(typed="", file=task("multiple_choice", 9, 3)), follow=True)

    priority = Priority.objects.get()
    assert priority.task_type == "multiple_choice"
    assert priority.probes.per_part() == {"fit": 6, "select": 3, "sealed": 3}
    sealed = priority.probes.filter(part="sealed")
    assert {probe.prompt.split(" question")[0] for probe in sealed} == {"test"}
    probe = priority.probes.get(position=1)
    assert probe.prompt == "dev question 0\nA. a cat\nB. a dog"
    assert probe.answers == ["B", "a dog"]
    page = response.content.decode()
    assert "dev question 0<br>A. a cat<br>B. a dog" in page
    assert "or a dog" in page and "test question" not in page
    assert "names the right choice, by its letter or its whole text" in page


def test_a_task_with_one_short_list_is_parted_by_lot(client: Client) -> None:
    client.force_login(make_user())

    client.post(NEW, typed(typed="", file=task("f1_match", 9, 1)))

    priority = Priority.objects.get()
    assert priority.task_type == "f1_match"
    assert priority.probes.per_part() == {"fit": 4, "select": 2, "sealed": 4}


def test_what_is_typed_is_scored_as_its_author_says(client: Client) -> None:
    client.force_login(make_user())

    page = client.post(NEW, typed(scored_by="f1_match"), follow=True).content.decode()

    assert Priority.objects.get().task_type == "f1_match"
    assert "the more words it shares with the right one (F1)" in page


def test_typed_probes_join_a_task_of_their_own_type_only(client: Client) -> None:
    client.force_login(make_user())

    page = client.post(NEW, typed(file=task("multiple_choice", 9, 3))).content.decode()
    assert not Priority.objects.exists()
    assert "is scored by exact match, the task in the file by multiple choice" in page
    assert "question 0 =&gt; answer 0" in page

    client.post(NEW, typed(file=task("exact_match", 9, 3)))
    assert Priority.objects.get().probes.count() == 18


def test_what_is_wrong_in_a_task_is_listed_with_its_remedy(client: Client) -> None:
    client.force_login(make_user())

    bad = task("multiple_choice", 2, 5, answer="C<b>")
    page = client.post(NEW, typed(typed="", file=bad)).content.decode()

    assert not Priority.objects.exists()
    assert "7 rows cannot be read" in page
    assert "&quot;answer&quot; is &#x27;C&lt;b&gt;&#x27;, none of A, B." in page
    assert "<code>test answer</code>" in page
    assert "Name the letter of the right choice." in page
    assert "The file, row by row" in page


def test_a_task_of_another_type_is_refused_in_a_sentence(client: Client) -> None:
    client.force_login(make_user())

    page = client.post(NEW, typed(typed="", file=task("coding", 9, 3))).content.decode()

    assert not Priority.objects.exists()
    assert "none of exact_match, f1_match, multiple_choice." in page
    assert "The file, row by row" not in page


def test_the_lot_can_be_drawn_again_from_the_seed_that_the_page_shows(client: Client) -> None:
    client.force_login(make_user())
    lines = "\n".join(f"question {number} => answer {number}" for number in range(30))
    client.post(NEW, typed(typed=lines))
    priority = Priority.objects.get()

    page = client.get(priority.get_absolute_url()).content.decode()
    shown = re.search(r'<code class="hash">(\d+)</code>', page)

    assert shown
    assert Entry.objects.get().data["split_seed"] == shown[1]
    parts = ["fit"] * 12 + ["select"] * 6 + ["sealed"] * 12
    random.Random(int(shown[1])).shuffle(parts)
    assert parts == list(priority.probes.order_by("position").values_list("part", flat=True))


@given(st.integers(6, 200), st.integers(0, 2**128 - 1))
def test_a_lot_leaves_two_for_every_part(count: int, seed: int) -> None:
    parts = split_parts(count, seed)
    assert parts == split_parts(count, seed)
    assert len(parts) == count
    assert all(parts.count(part) >= 2 for part in ("fit", "select", "sealed"))


@given(st.integers(4, 200), st.integers(0, 2**128 - 1))
def test_what_is_not_sealed_is_parted_two_to_one(count: int, seed: int) -> None:
    parts = split_dev(count, seed)
    assert parts == split_dev(count, seed)
    assert len(parts) == count
    assert parts.count("fit") >= 2 and parts.count("select") == max(2, round(count / 3))


def test_typed_and_filed_probes_are_added_up(client: Client) -> None:
    client.force_login(make_user())

    client.post(NEW, typed(file=upload("question,answer\none more,yes\n")))

    assert Priority.objects.get().probes.count() == 7


def test_lines_without_an_answer_are_listed_and_nothing_typed_is_lost(client: Client) -> None:
    client.force_login(make_user())
    lines = SIX + "\nwhere is the answer\nwho => asks => twice"

    page = client.post(NEW, typed(typed=lines, why="Because.")).content.decode()

    assert not Priority.objects.exists()
    assert "2 rows cannot be read" in page
    assert "there is no &#x27;=&gt;&#x27;" in page
    assert "Put exactly one =&gt; between the prompt and the answer." in page
    assert "where is the answer\nwho =&gt; asks =&gt; twice" in page
    assert "Because." in page


def test_a_file_that_is_no_table_is_said_so(client: Client) -> None:
    client.force_login(make_user())
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(100))
    picture.name = "probes.csv"

    page = client.post(NEW, typed(typed="", file=picture)).content.decode()

    assert not Priority.objects.exists()
    assert "PNG" in page


@pytest.mark.parametrize(
    ("typed_probes", "sentence"),
    [
        ("a => b\nc => d", "2 probes are too few: bring at least 6"),
        (SIX + "\nQUESTION 3 => other", "Probes 4 and 7 ask the same question."),
        ("", "There are no probes."),
    ],
)
def test_what_the_probes_lack_is_on_the_form(
    client: Client, typed_probes: str, sentence: str
) -> None:
    client.force_login(make_user())

    page = client.post(NEW, typed(typed=typed_probes)).content.decode()

    assert not Priority.objects.exists()
    assert sentence in page
    assert "Know the library" in page


def test_a_probe_typed_twice_is_left_out_and_said_so(client: Client) -> None:
    client.force_login(make_user())

    page = client.post(NEW, typed(typed=SIX + "\nquestion 1 => answer 1"), follow=True)

    assert Priority.objects.get().probes.count() == 6
    assert "row 7: The prompt is the same as in row 2." in page.content.decode()


def test_a_double_click_declares_once(client: Client) -> None:
    client.force_login(make_user())
    form = typed()

    first, second = client.post(NEW, form), client.post(NEW, form)

    assert Priority.objects.count() == 1
    assert first.headers["Location"] == second.headers["Location"]


def test_sealed_probes_are_shown_to_nobody(client: Client) -> None:
    owner, steward = make_user(), make_user(steward=True)
    priority = make_priority(owner, probes=20)
    sealed = Probe.objects.filter(part="sealed").first()
    opened = Probe.objects.open().first()
    assert sealed and opened
    Probe.objects.filter(pk=sealed.pk).update(prompt="xyzzy prompt", answer="xyzzy answer")
    Probe.objects.filter(pk=opened.pk).update(prompt="the open prompt")

    for person in (None, owner, steward):
        if person:
            client.force_login(person)
        page = client.get(priority.get_absolute_url()).content.decode()
        assert "the open prompt" in page
        assert "xyzzy" not in page


def test_the_list_tells_who_serves_best(client: Client) -> None:
    owner, steward = make_user(), make_user(steward=True)
    served = make_priority(owner, statement="Served need")
    make_eligible_expert(owner, steward, priority=served, name="Good helper")
    make_priority(owner, statement="Lonely need")

    page = client.get(reverse("contributions:priority_list")).content.decode()

    assert "Best served by Good helper, 80 % against 10 % for the base alone" in page
    assert "Nobody serves it yet." in page


def test_retired_by_a_steward_with_a_public_reason(client: Client) -> None:
    priority = make_priority(make_user(), statement="Old need")
    client.force_login(make_user(steward=True))

    client.post(reverse("contributions:priority_retire", args=[priority.pk]), {"reason": "Merged."})

    client.logout()
    assert "Merged." in client.get(priority.get_absolute_url()).content.decode()
    listed = reverse("contributions:priority_list")
    assert "Old need" not in client.get(listed).content.decode()
    assert "Old need" in client.get(listed, {"show": "retired"}).content.decode()


def test_not_retired_without_a_reason(client: Client) -> None:
    priority = make_priority(make_user())
    client.force_login(make_user(steward=True))
    url = reverse("contributions:priority_retire", args=[priority.pk])

    page = client.post(url, {"reason": " "}, follow=True)

    priority.refresh_from_db()
    assert priority.status == "open"
    assert "Give a public reason" in page.content.decode()


def test_merged_only_into_another_that_is_open() -> None:
    steward, owner = make_user(steward=True), make_user()
    first, second, third = (make_priority(owner) for _ in range(3))

    with pytest.raises(Refused, match="cannot be merged into itself"):
        priority_merge(steward=steward, priority=first, into=first, reason="Why.")
    priority_merge(steward=steward, priority=first, into=second, reason="One need.")
    for priority, into, sentence in (
        (second, first, "is retired. Choose one that is open"),
        (first, third, "is retired already"),
    ):
        with pytest.raises(Refused, match=sentence):
            priority_merge(steward=steward, priority=priority, into=into, reason="Again.")

    pointers = dict(Priority.objects.values_list("pk", "merged_into"))
    assert pointers == {first.pk: second.pk, second.pk: None, third.pk: None}


def test_a_merged_one_is_listed_as_retired_with_its_target() -> None:
    first, second = make_priority(make_user()), make_priority(make_user(), statement="The one need")
    priority_merge(steward=make_user(steward=True), priority=first, into=second, reason="Same.")
    listed = reverse("contributions:priority_list")

    assert first.statement not in Client().get(listed).content.decode()
    retired = Client().get(listed, {"show": "retired"}).content.decode()
    assert first.statement in retired and "Merged into “The one need”." in retired
