"""An open round shows its chain and its turnout in batches, so that who watches learns little."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from governance import tasks
from governance.models import BoxEntry, Round
from mosaic_site.members.models import User
from tests.factories import make_user
from tests.governance.conftest import CLOCK, Community, cast, close, hour_passes, next_hour, page


@pytest.fixture
def voters(community: Community) -> list[User]:
    return [*community.members, *(make_user() for _ in range(20))]


@pytest.fixture
def opened(community: Community, voters: list[User]) -> Round:
    """Just after a full hour, so that the test decides when the next one is."""
    CLOCK.forward_to(next_hour() + timedelta(seconds=1))
    round_ = community.open_round()
    look()
    return round_


def look() -> None:
    """What beat does every few seconds."""
    tasks.reconcile()


def chain(round_: Round) -> list[dict[str, str]]:
    url = reverse("governance:round_chain", args=[round_.pk])
    return [json.loads(line) for line in Client().get(url).content.decode().splitlines()]


def everything_shown(round_: Round) -> str:
    """All that somebody who watches can look at, without what is different on each visit."""
    feed = Client().get(reverse("governance:feed")).content.decode()
    pages = page(None, "round_detail", round_.pk), page(None, "round_list"), feed
    return "".join(
        line for one in pages for line in one.splitlines() if "until <time" not in line
    ) + json.dumps(chain(round_))


def vote(voters: list[User], round_: Round, community: Community) -> None:
    for voter in voters:
        cast(voter, round_, community.experts[0])


def test_nothing_that_is_shown_changes_with_a_cast(
    opened: Round, voters: list[User], community: Community
) -> None:
    before = everything_shown(opened)
    assert "the first 10 ballots are shown together" in before
    for voter in voters[:11]:
        cast(voter, opened, community.experts[0])
        look()
        assert everything_shown(opened) == before


def test_a_batch_of_ten_is_shown_at_the_full_hour(
    opened: Round, voters: list[User], community: Community
) -> None:
    vote(voters[:9], opened, community)
    hour_passes()
    assert len(chain(opened)) == 1
    vote(voters[8:10], opened, community)  # the same choice again is no cast
    look()
    assert len(chain(opened)) == 1  # not with the tenth cast: that would give it away
    hour_passes()
    box = chain(opened)
    assert [one["kind"] for one in box] == ["setup"] + ["cast"] * 10
    html = page(None, "round_detail", opened.pk)
    assert "<dd>10</dd>" in html
    assert box[-1]["hash"] in html
    assert "10 of 24 members have voted" in page(None, "round_list")

    cast(voters[0], opened, community.experts[1])
    hour_passes()
    assert chain(opened) == box
    assert everything_shown(opened).count(box[-1]["hash"]) == 4


def test_the_close_shows_the_rest(opened: Round, voters: list[User], community: Community) -> None:
    vote(voters[:3], opened, community)
    assert len(chain(opened)) == 1
    close(opened)
    kinds = [one["kind"] for one in chain(opened)]
    assert kinds == ["setup", "cast", "cast", "cast", "close", "result"]
    assert "turnout: 3 of 24 members" in page(None, "round_detail", opened.pk)


def test_a_receipt_is_checked_at_once(
    opened: Round, voters: list[User], community: Community
) -> None:
    cast(voters[0], opened, community.experts[0])
    receipt = BoxEntry.objects.get(kind="cast").receipt
    url = reverse("governance:receipt_check")
    html = Client().get(url, {"receipt": receipt}).content.decode()
    assert "It is in the box" in html
    assert "it is shown with the next batch" in html
    close(opened)
    assert "with the next batch" not in Client().get(url, {"receipt": receipt}).content.decode()


def test_few_electors_see_everything_at_once(community: Community) -> None:
    round_ = community.open_round()
    cast(community.members[0], round_, community.experts[0])
    assert [one["kind"] for one in chain(round_)] == ["setup", "cast"]
    html = page(None, "round_detail", round_.pk)
    assert "of 4 members have voted</dt><dd>1</dd>" in html
    assert "in batches" not in html
