"""A round from its plan to its end, as the clock moves it on."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contributions.models import Expert
from governance import actions, tasks
from governance.models import Decision, Proposal, Round
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import MemberGroup, User
from mosaic_site.notices.models import Notice
from tests.factories import make_eligible_expert, make_user
from tests.governance.conftest import (
    CLOCK,
    MIB,
    Community,
    cast,
    close,
    decided,
    page,
    signed_in,
    standing,
)
from tests.governance.makers import make_proposal

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
S = Round.Status


def planned(community: Community, **changes: Any) -> Round:
    """Discussed from tomorrow on, frozen on day 2, open from day 3 to day 5, contested till 6."""
    now = timezone.now()
    plan: dict[str, Any] = {
        "steward": community.steward,
        "title": "Spring",
        "budget_bytes": 2 * MIB,
        "quorum": 2,
        "discussion_at": now + DAY,
        "freezes_at": now + 2 * DAY,
        "opens_at": now + 3 * DAY,
        "closes_at": now + 5 * DAY,
        "contest_lasts": DAY,
    }
    return actions.round_schedule(**plan | changes)


def at(round_: Round, moment: datetime) -> str:
    """The state of a round once the site's clock has ticked at a moment."""
    CLOCK.forward_to(moment)
    tasks.reconcile()
    round_.refresh_from_db()
    return round_.status


def answer(
    person: User,
    round_: Round,
    answers: Sequence[str] = (),
    *,
    experts: Collection[Expert] = (),
) -> None:
    """A ballot that answers the round's questions in turn; "" leaves one open."""
    fields: dict[str, Any] = {"approvals": standing(round_, *experts)}
    for question, said in zip(round_.questions.order_by("pk"), answers, strict=True):
        fields[f"question-{question.pk}"] = said
    url = reverse("governance:ballot_cast", args=[round_.pk])
    assert signed_in(person).post(url, fields).status_code == 302


def ready(proposal: Proposal, people: Collection[User]) -> Proposal:
    """Endorsed by these people."""
    for person in people:
        actions.endorse(member=person, proposal=proposal, version=1)
    return proposal


def ratify(community: Community, round_: Round) -> str:
    response = signed_in(community.steward).post(
        reverse("governance:round_ratify", args=[round_.pk]),
        follow=True,
        headers={"referer": f"http://testserver{round_.get_absolute_url()}"},
    )
    return response.content.decode()


def called_off(community: Community, round_: Round, reason: str) -> str:
    url = reverse("governance:round_cancel", args=[round_.pk])
    return signed_in(community.steward).post(url, {"reason": reason}, follow=True).content.decode()


def test_the_clock_moves_a_round_from_its_plan_to_its_result(community: Community) -> None:
    round_ = planned(community)
    first, second, _ = community.members
    for moment, before, after, sentence in (
        (round_.discussion_at, S.SCHEDULED, S.DISCUSSION, "still being discussed"),
        (round_.freezes_at, S.DISCUSSION, S.FROZEN, "what is on the ballot no longer changes"),
        (round_.opens_at, S.FROZEN, S.OPEN, "Open my ballot"),
    ):
        assert at(round_, moment - SECOND) == before
        assert at(round_, moment + SECOND) == after
        assert sentence in page(first, "round_detail", round_.pk)
    cast(first, round_, community.experts[0])
    cast(second, round_, community.experts[1])
    assert at(round_, round_.closes_at - SECOND) == S.OPEN
    assert at(round_, round_.closes_at + SECOND) == S.PROVISIONAL
    assert "until a steward ratifies it" in page(first, "round_detail", round_.pk)

    assert round_.contest_ends_at is not None
    CLOCK.forward_to(round_.contest_ends_at + SECOND)
    assert "Ratified by steward" in ratify(community, round_)

    told = Entry.objects.filter(subject_kind="governance.round").order_by("pk")
    verbs = ("scheduled", "discussed", "frozen", "opened", "closed", "tallied", "ratified")
    assert [entry.action for entry in told] == [f"round.{verb}" for verb in verbs]
    kinds = round_.box_entries.order_by("position").values_list("kind", flat=True)
    assert list(kinds) == ["setup", "cast", "cast", "close", "result"]


def test_nobody_votes_before_voting_opens(community: Community) -> None:
    round_ = planned(community)
    at(round_, round_.freezes_at + SECOND)
    refused = cast(community.members[0], round_, community.experts[0])
    assert b"Voting has not begun yet" in refused.getvalue()
    assert not round_.ballots.exists()


def test_a_clock_that_was_off_catches_up(community: Community) -> None:
    round_ = planned(community)
    assert at(round_, round_.closes_at + DAY) == S.NO_QUORUM
    assert round_.candidates.count() == 3


def test_a_frozen_round_waits_for_the_open_one(community: Community) -> None:
    first = community.open_round(days=1)
    second = planned(community, opens_at=timezone.now() + DAY, freezes_at=None, discussion_at=None)
    assert first.closes_at > second.opens_at
    assert at(second, second.opens_at + SECOND) == S.FROZEN
    assert at(second, first.closes_at + SECOND) in {S.FROZEN, S.OPEN}
    tasks.reconcile()
    second.refresh_from_db()
    assert second.status == S.OPEN


def test_the_discussion_on_the_form_puts_the_opening_off(community: Community) -> None:
    client = signed_in(community.steward)
    url = reverse("governance:round_new")
    form = client.get(url).context["form"]
    fields = {name: str(form[name].value()) for name in form.fields}
    html = client.post(url, fields | {"title": "Summer", "discussion": "24"}, follow=True)
    assert "“Summer” is planned." in html.content.decode()
    round_ = Round.objects.get()
    assert round_.status == S.DISCUSSION
    assert at(round_, round_.opens_at + SECOND) == S.OPEN


def test_what_becomes_eligible_after_the_freeze_does_not_stand(community: Community) -> None:
    round_ = planned(community)
    in_time = make_eligible_expert(community.members[0], community.steward, name="In time")
    at(round_, round_.freezes_at + SECOND)
    make_eligible_expert(community.members[0], community.steward, name="Too late")
    at(round_, round_.opens_at + SECOND)
    assert {one.expert for one in round_.candidates.all()} == {*community.experts, in_time}
    assert "Too late" not in page(community.members[0], "ballot", round_.pk)


def test_a_plan_that_does_not_work_is_said_and_kept_as_typed(community: Community) -> None:
    round_ = planned(community)
    url = reverse("governance:round_change", args=[round_.pk])
    typed = {"title": "A title to keep", "budget": "0", "quorum": "1"}
    html = signed_in(community.steward).post(url, typed).content.decode()
    assert "greater than or equal to 0.01" in html
    assert "A title to keep" in html
    round_.refresh_from_db()
    assert round_.title != "A title to keep"


def test_a_plan_changes_until_the_freeze_and_not_after_it(community: Community) -> None:
    round_ = planned(community)
    url = reverse("governance:round_change", args=[round_.pk])
    client = signed_in(community.steward)
    changed = {"title": "Summer", "budget": "3", "quorum": "1"}
    assert "The plan is changed." in client.post(url, changed, follow=True).content.decode()
    at(round_, round_.freezes_at + SECOND)
    again = client.post(url, changed | {"title": "Autumn", "budget": "9"}, follow=True)
    assert "nothing of it changes any more, whoever asks" in again.content.decode()
    round_.refresh_from_db()
    assert (round_.title, round_.budget_bytes, round_.quorum) == ("Summer", 3 * MIB, 1)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_round_is_called_off_before_anybody_can_vote(community: Community, frozen: bool) -> None:
    proposal = ready(make_proposal(community.steward), community.members)
    round_ = planned(community)
    if frozen:
        at(round_, round_.freezes_at + SECOND)
        assert Proposal.objects.get(pk=proposal.pk).status == Proposal.Status.ON_BALLOT
    assert "Give a public reason" in called_off(community, round_, " ")
    html = called_off(community, round_, "The assembly was moved.")
    assert "Called off before anybody could vote." in html
    assert "The assembly was moved." in html
    assert at(round_, round_.closes_at + SECOND) == S.ANNULLED
    assert round_.ballot_key == ""
    assert Proposal.objects.get(pk=proposal.pk).status == Proposal.Status.OPEN


def test_an_open_round_runs_its_course(community: Community) -> None:
    round_ = community.open_round()
    html = called_off(community, round_, "I do not like where this is going.")
    assert "Voting has begun, so this round runs its course." in html
    round_.refresh_from_db()
    assert round_.status == S.OPEN


def test_with_nothing_to_vote_on_a_round_is_annulled(db: None) -> None:
    community = Community(make_user("steward", steward=True), [], [])
    round_ = planned(community, quorum=1)
    assert at(round_, round_.freezes_at + SECOND) == S.ANNULLED
    assert "There was nothing to vote on" in page(None, "round_detail", round_.pk)


def test_without_a_quorum_the_questions_can_be_asked_again(community: Community) -> None:
    proposal = ready(make_proposal(community.steward), community.members)
    round_ = community.open_round(quorum=2)
    answer(community.members[0], round_, ["yes"])
    assert close(round_).status == S.NO_QUORUM
    assert Proposal.objects.get(pk=proposal.pk).status == Proposal.Status.OPEN
    again = community.open_round(title="Summer")
    assert [question.proposal for question in again.questions.all()] == [proposal]


@pytest.mark.parametrize(
    ("threshold", "said", "outcome", "words"),
    [
        ("1/2", ["yes", "yes", "no"], "Adopted.", "Yes"),
        ("1/2", ["yes", "no", "abstain"], "Not adopted.", "No"),
        ("2/3", ["yes", "yes", "no"], "Not adopted.", "No"),
        ("2/3", ["yes", "yes", "yes"], "Adopted.", "Yes"),
        ("1/2", ["yes", "abstain", "abstain"], "Adopted.", "Yes"),
        # Who leaves a question open does not count towards its quorum.
        ("1/2", ["yes", "yes", ""], "Not adopted.", "No: too few answered"),
    ],
)
def test_a_question_needs_its_threshold_and_its_quorum(
    community: Community, threshold: str, said: list[str], outcome: str, words: str
) -> None:
    proposal = make_proposal(community.steward, title="Shall we meet?")
    Proposal.objects.filter(pk=proposal.pk).update(threshold=threshold)
    ready(proposal, community.members)
    round_ = community.open_round(quorum=3)
    assert "Shall we meet?" in page(community.members[0], "ballot", round_.pk)
    for person, one in zip(community.members, said, strict=True):
        answer(person, round_, [one])
    close(round_)
    assert f'data-label="Outcome">{words}<' in page(None, "round_detail", round_.pk)
    ratify(community, round_)
    proposal.refresh_from_db()
    assert (proposal.status, proposal.status_reason) == (Proposal.Status.DECIDED, outcome)


def test_a_round_of_questions_alone_says_nothing_of_experts(db: None) -> None:
    people = [make_user() for _ in range(3)]
    community = Community(make_user("steward", steward=True), people, [])
    ready(make_proposal(people[0], title="Shall we meet?"), people)
    round_ = community.open_round()
    assert "1 question to answer" in page(people[0], "round_detail", round_.pk)
    assert "it asks questions alone" in page(people[0], "ballot", round_.pk)
    answer(people[0], round_, ["yes"])
    close(round_)
    html = page(None, "round_detail", round_.pk)
    assert "1 question answered; no expert stood." in html
    assert "Who joined" not in html


@pytest.mark.parametrize("said", ["yes", "no"])
def test_a_retirement_takes_effect_in_the_same_round(community: Community, said: str) -> None:
    old, kept, _ = community.experts
    proposal = actions.proposal_make(
        author=community.members[1],
        kind=Proposal.Kind.RETIRE,
        expert=old,
        title="Retire the first",
        text="It is out of date.",
        threshold="1/2",
    )
    ready(proposal, community.members)
    round_ = community.open_round()
    for person in community.members:
        answer(person, round_, [said], experts=[old, kept])
    close(round_)
    retired = said == "yes"
    winners = set(standing(round_, kept)) if retired else set(standing(round_, old, kept))
    assert set(decided(round_).winner_ids) == winners
    assert ("so it was not counted." in page(None, "round_detail", round_.pk)) == retired
    old.refresh_from_db()
    assert old.status == Expert.Status.ELIGIBLE  # not before somebody ratifies it

    ratify(community, round_)
    old.refresh_from_db()
    assert old.status == (Expert.Status.WITHDRAWN if retired else Expert.Status.ELIGIBLE)
    again = community.open_round(title="Summer")
    assert again.candidates.filter(expert=old).exists() != retired


def test_a_result_is_not_ratified_while_it_can_be_contested(community: Community) -> None:
    round_ = planned(community, quorum=1)
    at(round_, round_.opens_at + SECOND)
    cast(community.members[0], round_, community.experts[0])
    at(round_, round_.closes_at + SECOND)
    assert round_.contest_ends_at is not None
    assert "The result can still be contested, until" in ratify(community, round_)
    assert at(round_, round_.contest_ends_at - SECOND) == S.PROVISIONAL
    assert "The result can still be contested, until" in ratify(community, round_)
    CLOCK.forward_to(round_.contest_ends_at + SECOND)
    assert "Ratified by steward" in ratify(community, round_)


def test_a_result_is_not_ratified_where_the_two_counts_differ(community: Community) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    close(round_)
    # No door can do this; a mistake in one of the two counts could.
    Decision.objects.update(recount=[str(standing(round_, community.experts[1])[0])])
    assert "The two independent counts differ." in page(None, "round_detail", round_.pk)
    assert "The two counts of this round differ" in ratify(community, round_)
    round_.refresh_from_db()
    assert round_.status == S.PROVISIONAL


def test_the_key_of_the_pseudonyms_is_destroyed_when_a_round_is_settled(
    community: Community,
) -> None:
    round_, (first, second, idle) = community.open_round(), community.members
    client = signed_in(first)
    url = reverse("governance:ballot_cast", args=[round_.pk])
    client.post(url, {"approvals": standing(round_, community.experts[0])})
    cast(second, round_, community.experts[0])
    close(round_)
    assert "of your share went to" in page(first, "round_detail", round_.pk)
    ratify(community, round_)
    round_.refresh_from_db()
    assert round_.ballot_key == ""
    own_browser = client.get(round_.get_absolute_url()).content.decode()
    assert "of your share went to" in own_browser
    elsewhere = page(first, "round_detail", round_.pk)
    assert "can no longer tell which ballot is yours" in elsewhere
    assert "My share" not in page(idle, "round_detail", round_.pk)


TOLD = MappingProxyType(
    {
        "round.open": "Voting is open: “Spring”. You can vote.",
        "round.last_day": "“Spring” closes within a day, and you have not voted.",
        "round.result": "The result of “Spring” is there.",
    }
)


def told(kind: str) -> list[User]:
    notices = Notice.objects.filter(kind=kind).select_related("member").order_by("member")
    assert {notice.text for notice in notices} <= {TOLD[kind]}
    return [notice.member for notice in notices]


def test_members_are_told_once_and_only_of_what_concerns_them(community: Community) -> None:
    round_ = planned(community, quorum=1)
    everybody = [community.steward, *community.members]
    at(round_, round_.freezes_at + SECOND)
    make_user("newcomer")
    assert told("round.open") == []
    at(round_, round_.opens_at + SECOND)
    tasks.reconcile()
    assert told("round.open") == everybody
    cast(community.members[0], round_, community.experts[0])

    at(round_, round_.closes_at - DAY - SECOND)
    assert told("round.last_day") == []
    at(round_, round_.closes_at - DAY + SECOND)
    tasks.reconcile()
    assert told("round.last_day") == [community.steward, *community.members[1:]]

    assert told("round.result") == []
    at(round_, round_.closes_at + SECOND)
    tasks.reconcile()
    assert told("round.result") == everybody
    about_it = Notice.objects.filter(url=round_.get_absolute_url())
    assert about_it.count() == 2 * len(everybody) + len(everybody) - 1


def test_the_result_says_who_was_served_and_who_is_next(
    make_community: Callable[..., Community],
) -> None:
    """Twelve voters; five nurses of whom three approve of a winner, and four teachers."""
    community = make_community([MIB] * 12)
    nurses, teachers = (MemberGroup.objects.create(name=name) for name in ("nurses", "teachers"))
    User.objects.filter(pk__in=[one.pk for one in community.members[:5]]).update(group=nurses)
    User.objects.filter(pk__in=[one.pk for one in community.members[5:9]]).update(group=teachers)
    popular, rare, next_in_line = community.experts[:3]
    round_ = community.open_round(budget=MIB)
    for person in community.members[:2]:
        cast(person, round_, rare, next_in_line)
    for person in community.members[2:]:
        cast(person, round_, popular)
    for person in community.members[9:11]:
        cast(person, round_, popular, next_in_line, rare)
    cast(community.members[11], round_, popular, next_in_line)
    close(round_)
    html = page(None, "round_detail", round_.pk)
    assert "turnout: 12 of 13 members" in html
    assert "92 %" in html
    assert "voters with a winner: 10 of 12" in html
    assert "least supportive group, nurses: 3 of 5" in html
    assert "60 %" in html
    assert "teachers" not in html  # too few to hide in
    assert f"in this order: {next_in_line.name}, {rare.name}." in html
    assert "advice" not in html


def test_no_group_is_named_where_none_is_large_enough(community: Community) -> None:
    group = MemberGroup.objects.create(name="teachers")
    User.objects.update(group=group)
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    close(round_)
    html = Client().get(round_.get_absolute_url()).content.decode()
    assert "least supportive group" not in html
    assert "teachers" not in html
