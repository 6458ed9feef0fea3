"""The home page: what is built, what happens now, and what needs the person who looks."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from contributions.actions import expert_return
from governance.actions import ballot_cast, round_open
from governance.models import Round
from mosaic_site.members.models import User
from tests.factories import make_dataset, make_eligible_expert, make_expert, make_user
from tests.training_workers.makers import (
    begin,
    make_job,
    make_live_release,
    provisional_round,
    step,
)

pytestmark = pytest.mark.django_db

NOTHING = "Nothing waits for you."


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def home(client: Client, person: User | None = None) -> str:
    if person is not None:
        client.force_login(person)
    response = client.get("/")
    assert response.status_code == 200
    return response.content.decode()


def open_round(steward: User) -> Round:
    return round_open(
        steward=steward,
        title="Spring vote",
        budget_bytes=10**6,
        quorum=1,
        closes_at=timezone.now() + timedelta(hours=1),
    )


def test_a_new_community_is_told_how_to_begin(client: Client, owner: User) -> None:
    visitor = home(client)
    assert "An empty mosaic" in visitor and "/account/signup/" in visitor
    assert "Nothing has happened yet." in visitor

    member = home(client, owner)
    assert "Begin with a need" in member and "/priorities/new/" in member


def test_the_live_release_is_drawn_with_its_experts(
    client: Client, owner: User, steward: User
) -> None:
    release = make_live_release(owner, steward)

    text = home(client)

    assert "release 1" in text and "/talk/" in text
    for member in release.members.all():
        assert member.expert.get_absolute_url() in text
    assert "answered 50 % of all sealed probes right" in text


def test_what_is_trained_now_is_shown_with_its_progress(
    client: Client, owner: User, steward: User
) -> None:
    job = begin(make_job(owner, steward, name="Bus times"))
    step(job, 30, of=120)

    text = home(client)

    assert "Training Bus times" in text
    assert '<progress value="30" max="120"' in text


def test_the_numbers_count_what_there_is(client: Client, owner: User, steward: User) -> None:
    make_eligible_expert(owner, steward)
    make_dataset(owner)
    open_round(steward)

    text = home(client)

    for name, number in (("members", 2), ("priority", 1), ("datasets", 2), ("round", 1)):
        assert f"<dt>{name}</dt><dd>{number}</dd>" in text
    assert "1 ready, 0 in training" in text
    assert "a round is open" in text


class TestNeeds:
    def test_an_open_round_until_one_has_voted(
        self, client: Client, owner: User, steward: User
    ) -> None:
        make_eligible_expert(owner, steward)
        round_ = open_round(steward)
        late = make_user("late")
        assert "Spring vote” is open and you have not voted." in home(client, owner)
        assert "you have not voted" not in home(client, late)

        ballot_cast(voter=owner, round_=round_, approvals=[])

        assert NOTHING in home(client, owner)

    def test_a_returned_expert_and_a_broken_dataset_of_mine_only(
        self, client: Client, owner: User, steward: User
    ) -> None:
        expert_return(steward=steward, expert=make_expert(owner), reason="Which questions?")
        make_dataset(owner, name="Broken file", content="\x00\x01", described=False)

        text = home(client, owner)

        assert "Which questions?" in text
        assert "“Broken file” has errors" in text
        assert NOTHING in home(client, make_user("bob"))

    def test_what_stewards_must_answer(self, client: Client, owner: User, steward: User) -> None:
        provisional_round(steward, [make_eligible_expert(owner, steward)])
        make_expert(owner)

        text = home(client, steward)

        assert "1 expert to approve or return." in text
        assert "1 result to ratify or contest." in text
        assert "approve or return" not in home(client, owner)


@pytest.mark.parametrize("rows", [3, 30])
def test_queries_do_not_grow_with_rows(
    client: Client,
    owner: User,
    steward: User,
    rows: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    version = make_dataset(owner).versions.get()
    for _ in range(rows):
        expert = make_expert(owner, versions=[version])
        expert_return(steward=steward, expert=expert, reason="Which questions?")
    make_live_release(owner, steward, experts=3)
    open_round(steward)
    for person in (owner, steward):
        client.force_login(person)
        with django_assert_max_num_queries(12):
            home(client)
