"""Casting and changing a ballot, and what is kept secret meanwhile."""

import re
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from contributions.actions import expert_withdraw
from governance import access, actions
from governance.models import Ballot, Round
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_user
from tests.governance.conftest import (
    Community,
    cast,
    close,
    decided,
    entries,
    let_time_pass,
    page,
    signed_in,
    standing,
)

CLOSED = "This round has closed, so your ballot was not changed."


def ticked(html: str) -> set[int]:
    boxes = re.findall(r'<input type="checkbox"[^>]*>', html)
    values = [(re.search(r'value="(\d+)"', box), "checked" in box) for box in boxes]
    return {int(value[1]) for value, checked in values if value and checked}


def order(html: str) -> list[str]:
    return re.findall(r'name="approvals" value="(\d+)"', html)


def test_ballot_review_cast_and_change(community: Community) -> None:
    round_, person = community.open_round(), community.members[0]
    client = signed_in(person)
    a, b, c = standing(round_, *community.experts)
    ballot, review, send = (
        reverse(f"governance:{name}", args=[round_.pk])
        for name in ("ballot", "ballot_review", "ballot_cast")
    )
    assert "Open my ballot" in page(person, "round_detail", round_.pk)
    assert ticked(client.get(ballot).content.decode()) == set()

    looked_over = client.post(review, {"approvals": [a, b]}).content.decode()
    assert "You approve of 2 of 3 experts" in looked_over
    assert "2.00 MiB of 2.00 MiB" in looked_over
    assert not Ballot.objects.exists()
    assert ticked(client.post(ballot, {"approvals": [a, b]}).content.decode()) == {a, b}
    assert not Ballot.objects.exists()

    answer = client.post(send, {"approvals": [a, b]}, follow=True)
    content = answer.content.decode()
    receipt = reverse("governance:ballot_receipt", args=[round_.pk])
    assert answer.redirect_chain == [(receipt, 302)]
    assert "Your ballot is cast." in content
    assert Ballot.objects.get().receipt in content
    assert "You can change it until" in page(person, "round_detail", round_.pk)
    assert ticked(client.get(ballot).content.decode()) == {a, b}

    client.post(send, {"approvals": [c]})
    assert Ballot.objects.get().approvals == {c}
    assert entries(round_) == 2


def test_a_double_click_casts_once(community: Community) -> None:
    round_, person = community.open_round(), community.members[0]
    cast(person, round_, community.experts[0])
    cast(person, round_, community.experts[0])
    assert Ballot.objects.count() == entries(round_) == 1


def test_an_empty_ballot_is_a_ballot(community: Community) -> None:
    round_, person = community.open_round(), community.members[0]
    review = reverse("governance:ballot_review", args=[round_.pk])
    assert "counts for the quorum" in signed_in(person).post(review).content.decode()
    cast(person, round_)
    assert not Ballot.objects.get().approvals


@pytest.mark.parametrize("name", ["ballot_review", "ballot_cast"])
@pytest.mark.parametrize("value", ["9999", "nonsense"])
def test_what_does_not_stand_cannot_be_approved(
    community: Community, name: str, value: str
) -> None:
    round_ = community.open_round()
    url = reverse(f"governance:{name}", args=[round_.pk])
    answer = signed_in(community.members[0]).post(url, {"approvals": [value]}, follow=True)
    assert "One of the experts you approved does not stand in this round." in (
        answer.content.decode()
    )
    assert not Ballot.objects.exists()


def test_the_review_is_never_an_address(community: Community) -> None:
    """A choice in an address would stay in histories and logs."""
    round_ = community.open_round()
    client = signed_in(community.members[0])
    answer = client.get(reverse("governance:ballot_review", args=[round_.pk]), {"approvals": 1})
    assert answer.headers["Location"] == reverse("governance:ballot", args=[round_.pk])
    assert client.get(reverse("governance:ballot_cast", args=[round_.pk])).status_code == 405


def test_visitors_sign_in_first(community: Community) -> None:
    round_ = community.open_round()
    assert "Sign in" in page(None, "round_detail", round_.pk)
    for name in ("ballot", "ballot_review", "ballot_cast"):
        answer = Client().post(reverse(f"governance:{name}", args=[round_.pk]))
        assert answer.headers["Location"].startswith("/account/login/")


def test_who_joins_later_votes_from_the_next_round_on(community: Community) -> None:
    round_ = community.open_round()
    newcomer = make_user("newcomer")
    sentence = "You became a member after this round was frozen, so you vote from the next one on."
    assert sentence in page(newcomer, "round_detail", round_.pk)
    client = signed_in(newcomer)
    for name in ("ballot", "ballot_review", "ballot_cast"):
        answer = client.post(reverse(f"governance:{name}", args=[round_.pk]), follow=True)
        assert sentence in answer.content.decode()
    assert not Ballot.objects.exists()


@pytest.mark.parametrize("tallied", [False, True])
def test_after_the_close_nothing_changes(community: Community, tallied: bool) -> None:
    round_, person = community.open_round(), community.members[0]
    cast(person, round_, community.experts[0])
    if tallied:
        close(round_)
    else:
        let_time_pass(round_)
        assert "The ballots are counted now" in page(person, "round_detail", round_.pk)
    before = Ballot.objects.values().get()
    client = signed_in(person)
    for name in ("ballot", "ballot_review", "ballot_cast"):
        url = reverse(f"governance:{name}", args=[round_.pk])
        answer = client.post(
            url, {"approvals": standing(round_, community.experts[1])}, follow=True
        )
        assert CLOSED in answer.content.decode()
    assert Ballot.objects.values().get() == before
    assert Ballot.objects.get().approvals == set(standing(round_, community.experts[0]))


def test_everybody_has_an_order_of_their_own(community: Community) -> None:
    round_ = community.open_round()
    orders = [order(page(person, "ballot", round_.pk)) for person in community.members]
    again = [order(page(person, "ballot", round_.pk)) for person in community.members]
    assert orders == again
    many = {
        tuple(candidate.pk for candidate in access.candidates_as_shown_to(person, round_))
        for person in [make_user() for _ in range(12)]
    }
    assert len(many) > 1


def test_the_last_rounds_approvals_are_offered_not_cast(community: Community) -> None:
    person, (kept, gone, _) = community.members[0], community.experts
    first = community.open_round(title="Winter")
    cast(person, first, kept, gone)
    close(first)
    expert_withdraw(actor=gone.owner, expert=gone, reason="I changed my mind.")
    second = community.open_round(title="Spring")
    html = page(person, "ballot", second.pk)
    assert ticked(html) == set(standing(second, kept))
    assert "you approved in “Winter”. Nothing is cast yet." in html
    assert not Ballot.objects.filter(round=second).exists()
    assert ticked(page(community.members[1], "ballot", second.pk)) == set()


def without_token(html: str) -> str:
    return re.sub(r'name="(csrfmiddlewaretoken|once)" value="[^"]*"', "", html)


def test_nobody_sees_approvals_or_a_tally_while_voting_is_open(community: Community) -> None:
    """Whatever somebody approves of, everybody else's pages stay the same, byte by byte."""
    round_ = community.open_round(quorum=1)
    voter, other = community.members[0], community.members[1]
    watchers: Sequence[User | None] = [community.steward, other, None]

    def everything() -> list[str]:
        names = [("round_list", ()), ("round_detail", (round_.pk,))]
        pages = [page(who, name, *args) for who in watchers for name, args in names]
        pages += [page(who, "ballot", round_.pk) for who in watchers if who]
        pages.append(page(community.steward, "round_new"))
        return [without_token(html) for html in pages]

    def without_box(pages: list[str]) -> list[str]:
        """Every change is an entry, and its hash is public; nothing else may differ."""
        return [re.sub(r'<dl class="facts">.*?</dl>', "", html, flags=re.S) for html in pages]

    cast(voter, round_, community.experts[0])
    seen = everything()
    cast(voter, round_, community.experts[1], community.experts[2])
    assert without_box(everything()) == without_box(seen)
    assert not Entry.objects.filter(actor=voter, subject_kind="governance.round").exists()
    for html in seen:
        assert round_.lot_seed not in html
    assert round_.lot_commitment in page(None, "round_detail", round_.pk)
    assert "1</dd>" in page(None, "round_detail", round_.pk)


@pytest.mark.django_db(transaction=True)
def test_two_votes_at_once_leave_one_ballot(community: Community) -> None:
    round_, person = community.open_round(), community.members[0]
    barrier, statuses = threading.Barrier(2), []

    def vote(client: Client, approvals: list[int]) -> None:
        barrier.wait()
        url = reverse("governance:ballot_cast", args=[round_.pk])
        statuses.append(client.post(url, {"approvals": approvals}).status_code)
        connection.close()

    choices = [standing(round_, expert) for expert in community.experts[:2]]
    threads = [
        threading.Thread(target=vote, args=(signed_in(person), choice)) for choice in choices
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ballot = Ballot.objects.get()
    assert statuses == [302, 302]
    assert entries(round_) == 2
    assert sorted(ballot.approvals) in choices


@pytest.mark.django_db(transaction=True)
def test_a_vote_that_races_the_close_is_counted_or_refused(community: Community) -> None:
    """What the tally counted is what the ballots say afterwards: no late ballot slips in."""
    person = community.members[0]
    round_ = community.open_round(closes_at=timezone.now() + timedelta(seconds=1.5))
    choices = [standing(round_, expert) for expert in community.experts]
    # The first ballot stands before the race: the other thread may not get a turn in time.
    actions.ballot_cast(voter=person, round_=round_, approvals=choices[0])
    refusals: list[str] = []

    def vote() -> None:
        number = 1
        while not refusals:
            try:
                actions.ballot_cast(
                    voter=person, round_=round_, approvals=choices[number % len(choices)]
                )
            except Refused as refusal:
                refusals.append(str(refusal))
            number += 1
        connection.close()

    thread = threading.Thread(target=vote)
    thread.start()
    while actions.round_advance(round_id=round_.pk).status == Round.Status.OPEN:
        pass
    thread.join()

    round_.refresh_from_db()
    assert refusals[0].startswith(CLOSED)
    result = decided(round_).result
    counted = {
        int(one["id"]) for one in (*result["winners"], *result["losers"]) if one["approvals"]
    }
    assert counted == Ballot.objects.get().approvals


def test_names_are_escaped(community: Community) -> None:
    round_ = community.open_round(title="<b>Spring</b>")
    for html in (page(None, "round_list"), page(None, "round_detail", round_.pk)):
        assert "<b>Spring</b>" not in html
        assert escape("<b>Spring</b>") in html


def test_the_evidence_on_a_candidate_has_a_page_and_comes_into_the_ballot(
    community: Community,
) -> None:
    round_, expert = community.open_round(), community.experts[0]
    url = reverse("governance:candidate_detail", args=standing(round_, expert))
    whole = Client().get(url).content.decode()
    part = Client().get(url, headers={"HX-Request": "true"}).content.decode()
    for html in (whole, part):
        assert expert.purpose in html
        assert "the base alone" in html
        assert f'href="{expert.get_absolute_url()}"' in html
    assert f'<a href="{round_.get_absolute_url()}">Spring</a>' in whole
    assert "<html" not in part
