"""Contesting a result: on a closed list of grounds, by two stewards; winners are never edited."""

import json
import uuid
from collections.abc import Mapping
from datetime import timedelta

import pytest
from django.urls import reverse

from governance import actions
from governance.models import Decision, Proposal, Round, Veto
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.factories import make_user
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
from tests.governance.test_rounds import DAY, SECOND, ratify, ready

REASON = "It failed the evaluation of 3 May."


def counted(community: Community, *, contest_lasts: timedelta = timedelta(0)) -> Round:
    """A provisional result: room for one expert, and the first has the most supporters."""
    round_ = community.open_round(budget=MIB)
    Round.objects.filter(pk=round_.pk).update(contest_lasts=contest_lasts)
    first, second, _ = community.experts
    for person in community.members[:2]:
        cast(person, round_, first)
    cast(community.members[2], round_, second)
    round_ = close(round_)
    assert decided(round_).winner_ids == standing(round_, first)
    return round_


def move(
    steward: User,
    round_: Round,
    candidate: int | None,
    *,
    ground: str = "safety",
    reason: str = REASON,
) -> str:
    fields = {
        "candidate": "" if candidate is None else candidate,
        "ground": ground,
        "reason": reason,
        "once": uuid.uuid4(),
    }
    return post(steward, "veto_move", round_.pk, round_, fields)


def join(steward: User, round_: Round) -> str:
    return post(steward, "veto_second", Veto.objects.latest("pk").pk, round_, {})


def post(who: User, name: str, pk: int, round_: Round, fields: Mapping[str, object]) -> str:
    response = signed_in(who).post(
        reverse(f"governance:{name}", args=[pk]),
        dict(fields),
        follow=True,
        headers={"referer": f"http://testserver{round_.get_absolute_url()}"},
    )
    assert response.status_code == 200
    return response.content.decode()


def test_two_stewards_have_the_same_ballots_counted_again(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    first, second, _ = community.experts
    before = Decision.objects.values().get()
    ballots = list(round_.ballots.values())
    html = move(community.steward, round_, *standing(round_, first))
    assert "It takes effect when another steward joins." in html
    assert "Join this veto" not in html  # not by the one who moved it
    assert "Join this veto" in page(other, "round_detail", round_.pk)
    html = join(other, round_)
    assert "the round was counted again without it" in html

    tally_1, tally_2 = round_.decisions.order_by("number")
    assert Decision.objects.filter(pk=tally_1.pk).values().get() == before | {"stands": False}
    assert (tally_2.number, tally_2.stands, tally_2.both_agree) == (2, True, True)
    assert tally_2.winner_ids == standing(round_, second)
    assert list(round_.ballots.values()) == ballots
    results = round_.box_entries.filter(kind="result").order_by("position")
    assert [json.loads(entry.payload)["winners"] for entry in results] == [
        [str(pk) for pk in standing(round_, expert)] for expert in (first, second)
    ]

    html = page(None, "round_detail", round_.pk)
    assert "1 of 3 experts joins the mix" in html
    assert f"It was vetoed because it failed a safety evaluation: {REASON}" in html
    assert "First count, before the veto" in html
    assert f"It had chosen {first.name} (1.00 MiB): 1.00 MiB together." in html
    assert Entry.objects.filter(action="round.counted_again").count() == 1
    ratify(community, round_)
    assert Decision.objects.ratified().get() == tally_2


def test_a_second_veto_leaves_both_experts_out(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    first, second, _ = community.experts
    for expert in (first, second):
        move(community.steward, round_, *standing(round_, expert))
        join(other, round_)
    assert decided(round_).number == 3
    assert decided(round_).winner_ids == []
    html = page(None, "round_detail", round_.pk)
    assert "First count, before the veto" in html
    assert "Count 2, before the next veto" in html
    assert "Nobody joined" in html


def test_one_steward_alone_changes_nothing(community: Community) -> None:
    round_ = counted(community)
    move(community.steward, round_, *standing(round_, community.experts[0]))
    assert "A veto needs two stewards" in join(community.steward, round_)
    again = move(community.steward, round_, *standing(round_, community.experts[0]))
    assert "This veto is moved already" in again
    assert round_.decisions.count() == 1
    assert Veto.objects.get().seconded_by is None


def test_an_open_veto_holds_up_the_ratifying_until_it_lapses(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    move(community.steward, round_, *standing(round_, community.experts[0]))
    veto = Veto.objects.get()
    assert Notice.objects.get(kind="veto.moved").member == other
    assert "until then the result cannot be ratified" in page(None, "round_detail", round_.pk)
    for moment in (veto.moved_at, veto.lapses_at - SECOND):
        CLOCK.forward_to(moment)
        assert "A veto by steward waits for a second steward" in ratify(community, round_)
    CLOCK.forward_to(veto.lapses_at)
    assert "this veto waits no longer" in join(other, round_).lower()
    assert "No second steward joined" in page(None, "round_detail", round_.pk)
    assert "You moved a veto against this count before" in move(community.steward, round_, None)
    assert "Ratified by steward" in ratify(community, round_)
    assert round_.decisions.count() == 1


def test_a_veto_can_be_withdrawn_by_who_moved_it(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    html = move(community.steward, round_, *standing(round_, community.experts[0]))
    assert "Withdraw my veto" in html
    assert "Withdraw my veto" not in page(other, "round_detail", round_.pk)
    veto = Veto.objects.get()
    url = reverse("governance:veto_withdraw", args=[veto.pk])
    assert signed_in(other).post(url).status_code == 404
    for _ in range(2):
        html = post(community.steward, "veto_withdraw", veto.pk, round_, {})
    assert "Withdrawn on" in html
    assert Entry.objects.filter(action="veto.withdrawn").count() == 1
    assert "This veto waits no longer" in join(other, round_)
    assert "You moved a veto against this count before" in move(community.steward, round_, None)
    assert "Ratified by steward" in ratify(community, round_)


def test_another_steward_can_move_what_lapsed_and_it_holds_again(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    candidate = standing(round_, community.experts[0])
    move(community.steward, round_, *candidate)
    CLOCK.forward_to(Veto.objects.get().lapses_at)
    move(other, round_, *candidate)
    assert "A veto by other waits" in ratify(community, round_)
    assert "counted again without it" in join(community.steward, round_)
    assert "Ratified by steward" in ratify(community, round_)


def test_a_veto_is_joined_once(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    move(community.steward, round_, *standing(round_, community.experts[0]))
    join(other, round_)
    join(make_user("third", steward=True), round_)
    assert round_.decisions.count() == 2
    assert Veto.objects.get().seconded_by == other


def test_members_neither_move_nor_join(community: Community) -> None:
    round_ = counted(community)
    move(community.steward, round_, None)
    client = signed_in(community.members[0])
    for name, pk in (("veto_move", round_.pk), ("veto_second", Veto.objects.get().pk)):
        url = reverse(f"governance:{name}", args=[pk])
        assert client.post(url, {"ground": "law", "reason": REASON}).status_code == 404
    assert Veto.objects.get().seconded_by is None


@pytest.mark.parametrize("ground", ["", "taste", "LAW"])
def test_the_list_of_grounds_is_closed(community: Community, ground: str) -> None:
    round_ = counted(community)
    move(community.steward, round_, *standing(round_, community.experts[0]), ground=ground)
    assert not Veto.objects.exists()


def test_a_veto_needs_a_public_reason(community: Community) -> None:
    round_ = counted(community)
    assert "A veto needs a public reason." in move(community.steward, round_, None, reason=" ")
    assert not Veto.objects.exists()


def test_only_a_winner_can_be_vetoed(community: Community) -> None:
    round_ = counted(community)
    html = move(community.steward, round_, *standing(round_, community.experts[1]))
    assert "Select a valid choice" in html
    assert not Veto.objects.exists()


def test_two_stewards_annul_a_whole_round(community: Community) -> None:
    proposal = ready(make_proposal(community.steward), community.members)
    round_, other = counted(community), make_user("other", steward=True)
    move(community.steward, round_, None, ground="fraud", reason="Three accounts were one person.")
    round_.refresh_from_db()
    assert round_.status == Round.Status.PROVISIONAL
    assert "the round was annulled" in join(other, round_)

    round_.refresh_from_db()
    assert (round_.status, round_.ballot_key) == (Round.Status.ANNULLED, "")
    assert not Decision.objects.ratified().exists()
    html = page(None, "round_detail", round_.pk)
    assert "1 of 3 experts would have joined the mix" in html
    assert "Three accounts were one person." in html
    assert Proposal.objects.get(pk=proposal.pk).status == Proposal.Status.OPEN
    assert "only a provisional result can be settled" in ratify(community, round_)


def test_a_new_count_can_be_contested_anew(community: Community) -> None:
    round_ = counted(community, contest_lasts=DAY)
    other = make_user("other", steward=True)
    first_end = round_.contest_ends_at
    assert first_end is not None
    CLOCK.forward_to(first_end - SECOND)
    move(community.steward, round_, *standing(round_, community.experts[0]))
    join(other, round_)
    CLOCK.forward_to(first_end + SECOND)
    assert "The result can still be contested" in ratify(community, round_)
    round_.refresh_from_db()
    assert round_.contest_ends_at is not None
    CLOCK.forward_to(round_.contest_ends_at + SECOND)
    assert "Ratified by steward" in ratify(community, round_)


def test_a_settled_round_is_not_contested(community: Community) -> None:
    round_, other = counted(community), make_user("other", steward=True)
    veto = actions.veto_move(
        steward=community.steward, round_=round_, candidate=None, ground="law", reason=REASON
    )
    CLOCK.forward_to(veto.lapses_at)
    ratify(community, round_)
    assert "only a provisional result can be settled" in join(other, round_)
    veto.refresh_from_db()
    assert veto.seconded_by is None
