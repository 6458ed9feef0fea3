"""Slates: recommending a ballot, starting one's own from it, and that it casts nothing."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from governance import actions
from governance.actions.proposals import endorse, proposal_make
from governance.models import Ballot, BoxEntry, Elector, Proposal, Round, Slate
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_user
from tests.governance.conftest import Community, close, page, signed_in, standing


def publish(author: User, round_: Round, **fields: object) -> str:
    """Send the form. Returns the page that one then is on."""
    url = reverse("governance:slate_edit", args=[round_.pk])
    response = signed_in(author).post(url, {"title": "My slate", **fields}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def frozen_round(community: Community) -> Round:
    now = timezone.now()
    return actions.round_schedule(
        steward=community.steward,
        title="Later",
        budget_bytes=2**21,
        quorum=1,
        discussion_at=now,
        freezes_at=now,
        opens_at=now + timedelta(days=1),
        closes_at=now + timedelta(days=2),
    )


def test_a_member_recommends_a_ballot_with_a_reason(community: Community) -> None:
    round_, (author, *_) = community.open_round(), community.members
    first, second, third = community.experts
    assert "Nobody recommends a ballot yet" in page(author, "slate_list", round_.pk)

    text = publish(
        author, round_, why="They serve most.", approvals=standing(round_, first, second)
    )

    slate = Slate.objects.get()
    assert "Your slate is public." in text
    for url in (slate.get_absolute_url(), reverse("governance:slate_list", args=[round_.pk])):
        text = Client().get(url).content.decode()
        assert "My slate" in text and "They serve most." in text
        assert author.display_name in text
    text = page(None, "slate_detail", slate.pk)
    assert first.name in text and second.name in text and third.name not in text
    assert "2 experts, 2.00 MiB together; the budget is 2.00 MiB" in text


def test_another_starts_from_it_and_nothing_is_cast(community: Community) -> None:
    round_, (author, voter, _) = community.open_round(), community.members
    first, second, _ = community.experts
    publish(author, round_, approvals=standing(round_, first, second))
    slate = Slate.objects.get()

    start = f"/rounds/{round_.pk}/ballot/?slate={slate.pk}"
    assert f'href="{start}"' in page(voter, "slate_detail", slate.pk)
    ballot = signed_in(voter).get(start).content.decode()

    assert ballot.count(" checked") == 2
    assert slate.title in ballot
    assert not Ballot.objects.exists()
    assert not Elector.objects.filter(voted=True).exists()
    assert not BoxEntry.objects.filter(kind=BoxEntry.Kind.CAST).exists()


def test_a_slate_of_another_round_is_no_start(community: Community) -> None:
    earlier, (author, *_) = community.open_round(), community.members
    publish(author, earlier, approvals=standing(earlier, community.experts[0]))
    close(earlier)
    round_ = community.open_round(title="Summer")

    client = signed_in(author)
    for pk in (Slate.objects.get().pk, 987_654):
        assert client.get(f"/rounds/{round_.pk}/ballot/?slate={pk}").status_code == 404


def test_it_recommends_answers_too(community: Community) -> None:
    author = community.members[0]
    round_ = round_with_a_question(community)
    question = round_.questions.get()
    field = f"question-{question.pk}"
    form = page(author, "slate_edit", round_.pk)
    assert str(question) in form and f'name="{field}"' in form

    text = publish(author, round_, **{field: "no"})

    assert Slate.objects.get().answers == {str(question.pk): "no"}
    assert str(question) in text and "<dd>No</dd>" in text


def round_with_a_question(community: Community) -> Round:
    """Members put it there, by endorsing it."""
    author, *others = community.members
    proposal = proposal_make(
        author=author,
        kind=Proposal.Kind.QUESTION,
        expert=None,
        title="Shall we answer in verse?",
        text="It would be nice.",
        threshold="1/2",
    )
    for member in others:
        endorse(member=member, proposal=proposal, version=1)
    return community.open_round()


def test_one_a_member_and_round_which_can_be_changed(community: Community) -> None:
    round_, (author, *_) = community.open_round(), community.members
    first, second, _ = community.experts
    for _ in range(2):
        publish(author, round_, approvals=standing(round_, first))
    assert 'value="My slate"' in page(author, "slate_edit", round_.pk)

    publish(author, round_, title="Better", approvals=standing(round_, second))

    slate = Slate.objects.get()
    assert (slate.title, slate.approvals.get().expert) == ("Better", second)
    told = Entry.objects.filter(action__startswith="slate.").order_by("sequence")
    assert [entry.action for entry in told] == ["slate.published", "slate.changed"]


def test_only_its_author_takes_it_back(community: Community) -> None:
    round_, (author, other, _) = community.open_round(), community.members
    publish(author, round_, approvals=standing(round_, community.experts[0]))
    url = reverse("governance:slate_take_back", args=[Slate.objects.get().pk])
    assert url in page(author, "slate_detail", Slate.objects.get().pk)
    assert url not in page(other, "slate_detail", Slate.objects.get().pk)

    for person in (other, community.steward):
        assert signed_in(person).post(url).status_code == 404
    text = signed_in(author).post(url, follow=True).content.decode()

    assert "Your slate is taken back." in text
    assert not Slate.objects.exists()
    assert Entry.objects.get(action="slate.taken_back").subject_id == str(round_.pk)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Recommend at least one expert or answer."),
        ({"approvals": [987_654]}, "does not stand in this round"),
        ({"title": ""}, "This field is required."),
    ],
)
def test_what_does_not_work_is_said_and_nothing_typed_is_lost(
    community: Community, fields: dict[str, object], sentence: str
) -> None:
    round_ = community.open_round()

    text = publish(community.members[0], round_, why="Keep this.", **fields)

    assert sentence in text and "Keep this." in text
    assert not Slate.objects.exists()


def test_from_the_freeze_to_the_close(community: Community) -> None:
    round_, (author, late, _) = frozen_round(community), community.members
    approvals = standing(round_, community.experts[0])
    assert "Your slate is public." in publish(author, round_, approvals=approvals)
    slate = Slate.objects.get()
    text = page(late, "slate_detail", slate.pk)
    assert "Voting opens on" in text and "Start my ballot" not in text

    close(round_)

    assert "from a round’s freeze until its close" in page(late, "slate_edit", round_.pk)
    publish(late, round_, approvals=approvals)
    take_back = reverse("governance:slate_take_back", args=[slate.pk])
    signed_in(author).post(take_back)
    assert list(Slate.objects.all()) == [slate]
    text = page(author, "slate_detail", slate.pk)
    assert "This round is over." in text and take_back not in text


def test_pages_ask_the_database_as_little_for_many(
    community: Community, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    round_ = community.open_round()
    approvals = standing(round_, *community.experts)
    for _ in range(25):
        actions.slate_publish(author=make_user(), round_=round_, title="One", approvals=approvals)

    client = signed_in(community.members[0])
    for name, key in (
        ("slate_list", round_.pk),
        ("slate_edit", round_.pk),
        ("slate_detail", Slate.objects.all()[0].pk),
    ):
        with django_assert_max_num_queries(12):
            assert client.get(reverse(f"governance:{name}", args=[key])).status_code == 200
    assert page(None, "slate_list", round_.pk).count("card--link") == 20
