"""Proposals and slates that break the rules: reported, removed from sight, and looked at again."""

import csv
import io

import pytest
from django.test import Client
from django.urls import reverse

from governance import actions
from governance.models import Proposal, Report, Round, Slate
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.factories import make_user
from tests.governance.conftest import Community, cast, close, page, signed_in, standing
from tests.governance.makers import make_proposal

RUDE = "You are all fools"
Thing = Proposal | Slate


@pytest.fixture
def proposal(community: Community) -> Proposal:
    return make_proposal(community.members[0], title=RUDE, text="All of you.")


@pytest.fixture
def round_(community: Community) -> Round:
    return community.open_round()


@pytest.fixture
def slate(community: Community, round_: Round) -> Slate:
    return actions.slate_publish(
        author=community.members[0],
        round_=round_,
        title=RUDE,
        why="All of you.",
        approvals=standing(round_, community.experts[0]),
    )


@pytest.fixture(params=["proposal", "slate"])
def thing(request: pytest.FixtureRequest) -> Thing:
    found: Thing = request.getfixturevalue(request.param)
    return found


def post(person: User, verb: str, thing: Thing, **data: str) -> str:
    url = reverse(f"governance:{thing.noun}_{verb}", args=[thing.pk])
    response = signed_in(person).post(url, data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def report(person: User, thing: Thing) -> str:
    return post(person, "report", thing, ground="insult", reason="It insults us.")


def hide(steward: User, thing: Thing) -> str:
    return post(steward, "answer", thing, found="insult", reason="It does.")


def shown(thing: Thing, person: User | None = None) -> str:
    """All pages on which others read it."""
    if isinstance(thing, Slate):
        lists = page(person, "slate_list", thing.round_id)
    else:
        lists = page(person, "proposal_list")
    own = page(person, f"{thing.noun}_detail", thing.pk)
    return lists + own + page(person, f"{thing.noun}_moderation", thing.pk)


def test_it_is_reported_and_removed_with_a_public_reason(
    community: Community, thing: Thing
) -> None:
    steward, reporter = community.steward, community.members[1]
    assert ">Report</a>" in page(reporter, f"{thing.noun}_detail", thing.pk)
    for _ in range(2):
        assert "The stewards will look at it" in report(reporter, thing)
    assert Report.objects.count() == 1
    queue = page(steward, "moderation_queue")
    assert RUDE in queue and "insult or threat: It insults us." in queue
    assert RUDE in shown(thing)

    assert "Nothing waits" in hide(steward, thing)
    html = shown(thing)
    assert RUDE not in html and "All of you." not in html
    assert "Removed by steward, steward. Insult or threat: It does." in html
    assert RUDE in page(steward, f"{thing.noun}_moderation", thing.pk)
    told = Notice.objects.filter(kind="comment.answered")
    assert {notice.member for notice in told} == {community.members[0], reporter}
    log = Client().get(reverse("governance:moderation_log")).content.decode()
    (row,) = csv.DictReader(io.StringIO(log))
    assert (row["what"], row["kind"], row["ground"]) == ("removed", thing.noun, "insult")
    assert row["link"].endswith(thing.moderation_url)


def test_another_steward_looks_again_and_puts_it_back(community: Community, thing: Thing) -> None:
    author, other = community.members[0], make_user("other", steward=True)
    assert "you can take it back yourself" in post(author, "report", thing, reason="A joke.")
    hide(community.steward, thing)
    assert "Ask for another look" in page(author, f"{thing.noun}_detail", thing.pk)
    post(author, "report", thing, reason="It was a joke.")
    assert "its author asks for another look" in page(other, "moderation_queue")
    answer = {"found": "keep", "reason": "It was."}
    assert "another steward judges it" in post(community.steward, "answer", thing, **answer)
    post(other, "answer", thing, **answer)
    assert RUDE in shown(thing)


def test_members_judge_nothing(community: Community, thing: Thing) -> None:
    url = reverse(f"governance:{thing.noun}_answer", args=[thing.pk])
    data = {"found": "insult", "reason": "It does."}
    assert signed_in(community.members[1]).post(url, data).status_code == 404
    assert RUDE in shown(thing)


def test_a_hidden_proposal_gathers_no_endorsements_and_stands_in_no_round(
    community: Community, proposal: Proposal
) -> None:
    first, second, third = community.members
    for member in (first, second):
        actions.endorse(member=member, proposal=proposal, version=1)
    hide(community.steward, proposal)
    url = reverse("governance:endorse", args=[proposal.pk])
    html = signed_in(third).post(url, {"version": 1}, follow=True).content.decode()
    assert "nobody can endorse it now" in html
    assert "Endorse this version" not in page(third, "proposal_detail", proposal.pk)
    changes = Client().get(reverse("governance:proposal_changes", args=[proposal.pk]), follow=True)
    assert RUDE not in changes.content.decode()
    assert not community.open_round().questions.exists()


def test_a_proposal_on_a_ballot_keeps_its_title_there(
    community: Community, proposal: Proposal
) -> None:
    for member in community.members[:2]:
        actions.endorse(member=member, proposal=proposal, version=1)
    round_ = community.open_round()
    hide(community.steward, proposal)
    assert RUDE in page(community.members[0], "ballot", round_.pk)
    assert RUDE not in page(None, "proposal_detail", proposal.pk)
    cast(community.members[0], round_, community.experts[0])
    close(round_)
    assert RUDE in page(None, "round_detail", round_.pk)


def test_a_hidden_slate_starts_no_ballot_and_is_not_taken_back(
    community: Community, slate: Slate
) -> None:
    hide(community.steward, slate)
    ballot = reverse("governance:ballot", args=[slate.round_id])
    assert signed_in(community.members[1]).get(ballot, {"slate": slate.pk}).status_code == 404
    html = page(community.members[1], "slate_detail", slate.pk)
    assert "Start my ballot from this" not in html
    take_back = reverse("governance:slate_take_back", args=[slate.pk])
    client = signed_in(community.members[0])
    referer = f"http://testserver{slate.get_absolute_url()}"
    html = client.post(take_back, follow=True, headers={"referer": referer}).content.decode()
    assert "A steward hid this slate" in html
    assert Slate.objects.filter(pk=slate.pk).exists()
