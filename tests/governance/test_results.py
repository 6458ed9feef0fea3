"""What the close brings: the result with its reasons, one's own share, ratifying and vetoing."""

import hashlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from contributions.actions import expert_withdraw
from governance import access
from governance.models import Decision, Round
from mosaic_site.ledger.chain import verify
from mosaic_site.ledger.models import Entry
from tests.governance.conftest import (
    MIB,
    Community,
    cast,
    close,
    decided,
    page,
    signed_in,
    standing,
)
from training_workers.actions import release_compose


def settle(community: Community, round_: Round, name: str, reason: str = "") -> str:
    url = reverse(f"governance:{name}", args=[round_.pk])
    client = signed_in(community.steward)
    referer = round_.get_absolute_url()
    answer = client.post(
        url, {"reason": reason}, follow=True, headers={"referer": f"http://testserver{referer}"}
    )
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_whole_round_from_opening_to_ratification(community: Community) -> None:
    round_ = community.open_round(budget=2 * MIB, quorum=2)
    (first, second, third), (x, y, z) = community.members, community.experts
    cast(first, round_, x)
    cast(second, round_, x, y)
    cast(third, round_, y)
    assert close(round_).status == Round.Status.PROVISIONAL

    html = page(None, "round_detail", round_.pk)
    assert "2 of 3 experts join the mix, with 2.00 MiB of 2.00 MiB" in html
    assert "The result is provisional until a steward ratifies it." in html
    assert "Nobody approved of it." in html  # the third expert
    assert "Settle this result" not in html
    assert "No lot was needed." in html or "exact equals" in html
    assert {str(pk) for pk in standing(round_, x, y)} == {
        winner["id"] for winner in decided(round_).result["winners"]
    }
    assert z.name in html

    assert "Settle this result" in page(community.steward, "round_detail", round_.pk)
    html = settle(community, round_, "round_ratify", "A fair vote.")
    assert "Ratified by steward" in html
    assert "A fair vote." in html
    assert "The release is about to be composed." in html
    release = release_compose(decision=decided(round_))
    assert f'href="{release.get_absolute_url()}"' in page(None, "round_detail", round_.pk)
    assert "2 of 3" in page(None, "round_list")
    assert verify().broken is None


def test_a_double_click_ratifies_once(community: Community) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    close(round_)
    settle(community, round_, "round_ratify")
    html = settle(community, round_, "round_ratify")
    assert "is ratified now" not in html
    assert Entry.objects.filter(action="round.ratified").count() == 1


def test_an_overlong_reason_is_said_and_kept(community: Community) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    close(round_)
    reason = "y" * 2001
    for name in ("round_ratify", "veto_move"):
        html = settle(community, round_, name, reason)
        assert "at most 2000 characters" in html
        assert reason in html
    round_.refresh_from_db()
    assert round_.status == Round.Status.PROVISIONAL


def test_an_open_round_cannot_be_settled(community: Community) -> None:
    round_ = community.open_round()
    html = settle(community, round_, "round_ratify")
    assert "This round is open now: only a provisional result can be settled." in html


def test_without_a_quorum_nothing_changes(community: Community) -> None:
    round_ = community.open_round(quorum=2)
    cast(community.members[0], round_, community.experts[0])
    assert close(round_).status == Round.Status.NO_QUORUM
    html = page(None, "round_detail", round_.pk)
    assert "1 ballot was cast and 2 are needed. The live release stays." in html
    assert not Decision.objects.exists()
    assert "Settle this result" not in page(community.steward, "round_detail", round_.pk)


def test_empty_ballots_count_for_the_quorum_only(community: Community) -> None:
    round_ = community.open_round(quorum=2)
    cast(community.members[0], round_)
    cast(community.members[1], round_)
    assert close(round_).status == Round.Status.PROVISIONAL
    html = page(community.members[0], "round_detail", round_.pk)
    assert "0 of 3 experts join" in html
    assert "Your ballot was empty: it counted for the quorum." in html


def test_my_share_is_mine_alone(make_community: Callable[..., Community]) -> None:
    """Hand-worked: two voters hold 1 MiB each. The first alone pays 0.5 MiB, and gets no more."""
    community = make_community([MIB // 2, MIB, 8 * MIB])
    round_ = community.open_round(budget=2 * MIB)
    first, second, idle = community.members
    small, middle, huge = community.experts
    cast(first, round_, small, huge)
    cast(second, round_, middle)
    close(round_)
    result = decided(round_).result
    assert {winner["id"] for winner in result["winners"]} == {
        str(pk) for pk in standing(round_, small, middle)
    }
    html = page(first, "round_detail", round_.pk)
    receipts = sorted(round_.ballots.values_list("receipt", flat=True))
    own = access.ballot_of(first, round_)
    assert own is not None
    mine = Fraction(result["spent_fractions"][receipts.index(own.receipt)])
    assert mine == Fraction(MIB, 2) / Fraction(result["share"]["final"])
    assert f"Exactly {mine} of your share" in html
    assert f"of your share went to 1 expert you approved: {small.name}." in html
    assert f"You approved and did not get: {huge.name}." in html
    assert "more than the whole budget" in html
    for somebody_else in (idle, community.steward, None):
        assert "My share" not in page(somebody_else, "round_detail", round_.pk)
    assert f"{middle.name}." in page(second, "round_detail", round_.pk)


def test_a_tie_is_broken_by_the_sealed_lot_and_said_so(community: Community) -> None:
    round_ = community.open_round(budget=MIB)
    sealed = page(None, "round_detail", round_.pk)
    cast(community.members[0], round_, *community.experts)
    close(round_)
    html = page(None, "round_detail", round_.pk)
    assert "were exact equals" in html
    assert "that decided who joined" in html
    assert round_.lot_seed in html
    assert hashlib.sha256(round_.lot_seed.encode()).hexdigest() in sealed
    winner = decided(round_).result["winners"][0]["id"]
    lots = {
        hashlib.sha256(f"{round_.lot_seed}{pk}".encode()).hexdigest(): str(pk)
        for pk in standing(round_, *community.experts)
    }
    assert lots[min(lots)] == winner


def test_a_minority_gets_its_part_and_the_comparison_says_so(
    make_community: Callable[..., Community],
) -> None:
    """Hand-worked: 6 voters, 6 MiB, so 1 MiB each. Four approve three experts of 2 MiB, two
    another one. Equal shares: two for the majority, one for the minority; most votes: three for
    the majority.
    """
    community = make_community([2 * MIB] * 4 + [20 * MIB] * 2)
    round_ = community.open_round(budget=6 * MIB)
    *majority, theirs = community.experts[:4]
    for person in community.members[:4]:
        cast(person, round_, *majority)
    for person in community.members[4:]:
        cast(person, round_, theirs)
    close(round_)
    winners = {winner["id"] for winner in decided(round_).result["winners"]}
    assert len(winners) == 3
    assert str(*standing(round_, theirs)) in winners
    html = page(None, "round_detail", round_.pk)
    assert "If simply the most approvals had won:" in html
    assert f"Equal shares made room for {theirs.name} in place of" in html
    assert "more supporter" in html


def test_an_expert_that_leaves_while_voting_is_open_is_not_counted(community: Community) -> None:
    round_ = community.open_round(budget=MIB)
    gone, stays, _ = community.experts
    cast(community.members[0], round_, gone)
    cast(community.members[1], round_, gone, stays)
    expert_withdraw(actor=gone.owner, expert=gone, reason="I changed my mind.")
    assert "Withdrawn" in page(community.members[0], "ballot", round_.pk)
    close(round_)
    assert [winner["id"] for winner in decided(round_).result["winners"]] == [
        str(pk) for pk in standing(round_, stays)
    ]
    assert "It was withdrawn before the close" in page(None, "round_detail", round_.pk)


def test_what_was_chosen_last_is_marked_on_the_next_ballot(community: Community) -> None:
    first = community.open_round()
    cast(community.members[0], first, community.experts[0])
    close(first)
    settle(community, first, "round_ratify")
    second = community.open_round(title="Summer")
    html = page(community.members[1], "ballot", second.pk)
    assert html.count("Chosen in the last ratified round.") == 1


def test_a_page_that_watches_an_open_round_is_told_to_show_the_result(
    community: Community,
) -> None:
    round_ = community.open_round()
    url, htmx = round_.get_absolute_url(), {"HX-Request": "true"}
    assert "HX-Refresh" not in Client().get(url, headers=htmx).headers
    close(round_)
    assert Client().get(url, headers=htmx).headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("number", [3, 30])
def test_result_pages_ask_few_queries(
    make_community: Callable[..., Community],
    django_assert_max_num_queries: Callable[..., Any],
    number: int,
) -> None:
    community = make_community([MIB] * number)
    round_ = community.open_round(budget=number * MIB // 2)
    for index, person in enumerate(community.members):
        cast(person, round_, *community.experts[index : index + 3])
    close(round_)
    client = signed_in(community.steward)
    voter = signed_in(community.members[0])
    for url in (round_.get_absolute_url(), reverse("governance:round_list")):
        for who in (client, voter):
            with django_assert_max_num_queries(12):
                assert who.get(url).status_code == 200
