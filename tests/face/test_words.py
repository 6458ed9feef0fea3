"""Numbers and states as people read them."""

from __future__ import annotations

import pytest
from django.apps import apps
from hypothesis import given
from hypothesis import strategies as st

from mosaic_site.display import words


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 MiB"),
        (100, "< 0.01 MiB"),
        (440_401, "0.42 MiB"),
        (200 * 2**20, "200 MiB"),
        (5 * 2**30, "5,120 MiB"),
    ],
)
def test_sizes(size: int, text: str) -> None:
    assert words.mib(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.34, "0.3 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (72, "1 min 12 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (-72, "-1 min 12 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0 %"), (0.154, "15.4 %"), (1, "100 %"), (-0.031, "-3.1 %")]
)
def test_percentages(share: float, text: str) -> None:
    assert words.percent(share) == text


@given(st.one_of(st.integers(1), st.uuids(), st.text()))
def test_a_contributor_has_one_of_twelve_colours_for_ever(contributor: object) -> None:
    assert 1 <= words.tile_colour(contributor) <= 12
    assert words.tile_colour(contributor) == words.tile_colour(contributor)


def test_the_first_twelve_members_differ() -> None:
    assert len({words.tile_colour(member) for member in range(1, 13)}) == 12


def test_every_state_of_every_model_has_its_word_and_tone() -> None:
    states = {
        value
        for model in apps.get_models()
        if hasattr(model, "Status")
        for value in model.Status.values
    }
    assert states, "the models name their states in an inner class Status"
    assert states <= set(words.STATES)


def test_an_unknown_state_is_read_as_written() -> None:
    assert words.state_word("half_done") == "Half done"
    assert words.state_tone("half_done") == "idle"
