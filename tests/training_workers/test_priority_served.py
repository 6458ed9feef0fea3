"""How well a priority is served, release by release, on its page."""

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from contributions.actions import expert_withdraw
from contributions.models import Priority
from tests.factories import make_eligible_expert, make_priority, make_user
from tests.training_workers.makers import composing_release, go_live, make_live_release
from training_workers import actions
from training_workers.models import Release
from training_workers.served import NEWEST, served

pytestmark = pytest.mark.django_db


def page_of(priority: Priority) -> str:
    return Client().get(priority.get_absolute_url()).content.decode()


def releases_of(priority: Priority, count: int) -> list[Release]:
    """Of one expert, which solves all 20 sealed probes and the base none."""
    steward = make_user(steward=True)
    expert = make_eligible_expert(priority.owner, steward, priority=priority)
    return [go_live(composing_release(steward, [expert])) for _ in range(count)]


def test_before_any_release_the_page_says_so() -> None:
    page = page_of(make_priority(make_user()))

    assert "No release has been measured on it yet." in page
    assert "curve__picture" not in page


def test_every_release_is_a_row_and_a_mark_of_each_model() -> None:
    priority = make_priority(make_user())
    first, second = releases_of(priority, 2)

    page = page_of(priority)

    rows = re.findall(r'<th scope="row"><a href="([^"]+)">Release (\d+)', page)
    assert rows == [(one.get_absolute_url(), str(one.number)) for one in (second, first)]
    # Wilson's interval for 20 of 20 and for 0 of 20 (1 - 1 / (1 + 1.96^2 / 20) = 0.161)
    cells = re.findall(r'data-label="([^"]+)">([\d.]+) <[^>]+>\(([^)]+)\)', page)
    assert cells == 2 * [
        ("Mosaic", "1.00", "0.84–1.00"),
        ("Best single expert", "1.00", "0.84–1.00"),
        ("Base", "0.00", "0.00–0.16"),
    ]
    assert page.count('class="series__whisker"') == 6
    assert f"Release {second.number}: the mosaic 100 %, after 100 % in release" in page


def test_the_picture_stands_where_the_numbers_say() -> None:
    priority = make_priority(make_user())
    releases_of(priority, 1)

    found = served(priority)

    assert found is not None
    mosaic, _, base = found.series
    assert [mark.y for mark in mosaic.marks] == [found.levels[2][0]] == ["14.0"]
    assert [mark.y for mark in base.marks] == [found.levels[0][0]] == ["206.0"]
    # 0.839 of the way from 206 up to 14
    assert [(mark.low, mark.high) for mark in mosaic.marks] == [("44.9", "14.0")]


def test_a_release_that_failed_or_left_it_out_is_no_row() -> None:
    owner, steward = make_user(), make_user(steward=True)
    elsewhere = make_live_release(owner, steward, experts=1)
    expert_withdraw(actor=owner, expert=elsewhere.members.get().expert, reason="Enough.")
    priority = make_priority(owner)
    (shown,) = releases_of(priority, 1)
    composing_release(steward, list(priority.experts.all()))
    job = actions.job_claim_next(worker="bench:1")
    assert job is not None
    actions.job_fail(job=job, reason="No space left.")

    found = served(priority)

    assert found is not None
    assert [row.number for row in found.rows] == [shown.number]


def test_only_the_newest_are_drawn_in_one_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    priority = make_priority(make_user())
    releases = releases_of(priority, NEWEST + 2)

    with django_assert_num_queries(1):
        found = served(priority)

    assert found is not None
    assert [row.number for row in found.rows] == [one.number for one in reversed(releases[2:])]
    assert [number for _, number in found.ticks] == [one.number for one in releases[3::2]]
