"""Opening a round: what is suggested, what is refused, what is frozen."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from contributions.actions import base_register, expert_approve
from governance.models import Round
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_expert, make_user
from tests.governance.conftest import MIB, Community, page, signed_in

NEW = "/rounds/new/"


def filled_in(client: Client, **changes: str) -> dict[str, Any]:
    """What the page suggests, as a steward would send it."""
    form = client.get(NEW).context["form"]
    fields = {name: str(form[name].value()) for name in form.fields}
    return fields | {"title": "Spring"} | changes


def test_what_the_form_suggests_opens_a_round(community: Community) -> None:
    client = signed_in(community.steward)
    fields = filled_in(client)
    assert (fields["budget"], fields["quorum"]) == ("1.80", "2")

    response = client.post(NEW, fields, follow=True)

    round_ = Round.objects.get()
    assert response.redirect_chain == [(round_.get_absolute_url(), 302)]
    assert "“Spring” is open" in response.content.decode()
    assert round_.candidates.count() == 3
    assert round_.electors.count() == 4
    assert (round_.closes_at - round_.opens_at).days == 1
    assert Entry.objects.get(action="round.frozen").data["lot_commitment"] == round_.lot_commitment


def test_experts_on_a_base_that_was_replaced_do_not_stand(community: Community) -> None:
    waiting = make_expert(community.members[0])
    new = base_register(
        name="test base",  # the same name with another content, as after an upgrade
        source="elsewhere",
        revision="",
        sha256="c" * 64,
        parameters=2000,
        context_length=128,
        licence="",
        activate=True,
    )
    expert = make_eligible_expert(community.members[0], community.steward)

    round_ = community.open_round()

    assert [candidate.expert for candidate in round_.candidates.all()] == [expert]
    assert new.name == "test base cccccccc"
    assert expert_approve(steward=community.steward, expert=waiting).base == new


def test_a_double_click_opens_one_round(community: Community) -> None:
    client = signed_in(community.steward)
    fields = filled_in(client)
    first, second = client.post(NEW, fields), client.post(NEW, fields)
    assert first.headers["Location"] == second.headers["Location"]
    assert Round.objects.count() == 1
    assert Entry.objects.filter(action="round.opened").count() == 1


def test_one_round_at_a_time(community: Community) -> None:
    client = signed_in(community.steward)
    fields = filled_in(client)
    community.open_round()
    content = client.post(NEW, fields).content.decode()
    assert "A round is open already" in content
    assert Round.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"title": ""}, "This field is required."),
        ({"budget": "0.5"}, "With this budget nobody could join: the cheapest expert costs 1.00"),
        ({"budget": "0"}, "greater than or equal to 0.01"),
        ({"quorum": "99"}, "The quorum must be between 1 and 4, the number of members."),
        ({"quorum": "0"}, "greater than or equal to 1"),
        ({"lasts": "0"}, "greater than or equal to 1"),
        ({"lasts": "400"}, "A round lasts a year at most."),
        ({"unit": "years"}, "Select a valid choice"),
    ],
)
def test_what_does_not_work_is_said_and_nothing_typed_is_lost(
    community: Community, changes: dict[str, str], sentence: str
) -> None:
    client = signed_in(community.steward)
    fields = filled_in(client, title="A title to keep") | changes
    response = client.post(NEW, fields)
    content = response.content.decode()
    assert sentence in content
    assert fields["title"] in content
    assert response.context["form"]["once"].value() == fields["once"]
    assert not Round.objects.exists()


def test_a_round_needs_something_to_vote_on(db: None) -> None:
    client = signed_in(make_user("steward", steward=True))
    assert "Nothing to vote on yet" in client.get(NEW).content.decode()
    content = client.post(NEW, filled_in(client, budget="1", quorum="1")).content.decode()
    assert "No expert is eligible yet" in content
    assert not Round.objects.exists()


def test_only_stewards_open_and_settle(community: Community) -> None:
    round_ = community.open_round()
    visitor, stranger = Client(), signed_in(community.members[0])
    assert visitor.get(NEW).status_code == 302
    assert stranger.get(NEW).status_code == 404
    for verb in ("round_ratify", "veto_move", "round_change", "round_cancel"):
        url = reverse(f"governance:{verb}", args=[round_.pk])
        assert visitor.post(url).headers["Location"].startswith("/account/login/")
        assert stranger.post(url, {"reason": "because"}).status_code == 404
        assert signed_in(community.steward).get(url).status_code == 405
    assert "Plan a round" not in page(community.members[0], "round_list")


def test_candidates_are_frozen(community: Community) -> None:
    round_ = community.open_round()
    make_eligible_expert(community.members[0], community.steward, name="Too late")
    assert "Too late" not in page(None, "round_detail", round_.pk)
    assert "Too late" not in page(community.members[0], "ballot", round_.pk)


def test_the_list_says_what_comes_next(db: None) -> None:
    steward, someone = make_user("steward", steward=True), make_user()
    assert "Plan a round" in page(steward, "round_list")
    assert "See the experts" in page(someone, "round_list")
    assert "See the experts" in page(None, "round_list")


@pytest.mark.parametrize("number", [3, 30])
def test_pages_ask_few_queries(
    make_community: Callable[..., Community],
    django_assert_max_num_queries: Callable[..., Any],
    number: int,
) -> None:
    community = make_community([MIB] * number)
    client = signed_in(community.steward)
    with django_assert_max_num_queries(12):
        assert client.get(NEW).status_code == 200
    round_ = community.open_round()
    for name in ("round_detail", "ballot"):
        url = reverse(f"governance:{name}", args=[round_.pk])
        with django_assert_max_num_queries(12):
            assert client.get(url).status_code == 200
    with django_assert_max_num_queries(12):
        assert client.get(reverse("governance:round_list")).status_code == 200
    review = reverse("governance:ballot_review", args=[round_.pk])
    everything = list(round_.candidates.values_list("pk", flat=True))
    with django_assert_max_num_queries(12):
        assert client.post(review, {"approvals": everything}).status_code == 200


def test_no_page_without_its_round(db: None) -> None:
    someone: User = make_user()
    for name in ("round_detail", "ballot", "ballot_review"):
        url = reverse(f"governance:{name}", args=[77])
        assert signed_in(someone).get(url).status_code == 404
    assert signed_in(someone).post("/rounds/77/ballot/cast/").status_code == 404
