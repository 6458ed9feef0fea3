"""Axes cover their data with round numbers, and a bad value does not spoil the chart."""

from __future__ import annotations

from math import inf, log10, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_site.display.curve import chart, nice_ticks, sample, tick_label

value = st.floats(-1e6, 1e6).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(value, value, st.integers(2, 8))
def test_ticks_cover_the_data_at_round_steps(one: float, two: float, count: int) -> None:
    low, high = sorted((one, two))
    ticks = nice_ticks(low, high, count)
    step = ticks[1] - ticks[0]
    slack = 1e-6 * max(abs(low), abs(high), step)
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack
    leading = step / 10 ** round(log10(step) - 0.35)
    assert any(leading == pytest.approx(round_step, rel=1e-3) for round_step in (0.5, 1, 2, 5, 10))
    assert len(ticks) <= count + 2


def test_neighbouring_ticks_read_differently() -> None:
    ticks = nice_ticks(0.301, 0.342, 4)
    labels = [tick_label(tick, ticks[1] - ticks[0]) for tick in ticks]
    assert len(set(labels)) == len(labels)


def test_the_line_stays_between_the_axes() -> None:
    plot = chart([(0, 2.5), (50, 1.2), (100, 0.4)])
    assert plot is not None
    assert all(plot.left <= x <= plot.right and plot.top <= y <= plot.bottom for x, y in plot.line)
    assert [x for x, _ in plot.line] == sorted(x for x, _ in plot.line)
    heights = [y for _, y in plot.line]
    assert heights == sorted(heights), "a falling loss runs down the page"


def test_a_diverged_loss_is_left_out() -> None:
    plot = chart([(0, 2.0), (1, nan), (2, inf), (3, 1.0)])
    assert plot is not None and len(plot.line) == 2


@pytest.mark.parametrize("points", [[(0.0, 1.0)], [(5.0, 0.0)], [(0.0, 0.0), (0.0, 0.0)]])
def test_a_single_place_is_still_a_chart(points: list[tuple[float, float]]) -> None:
    assert chart(points) is not None


def test_nothing_to_draw_is_none() -> None:
    assert chart([]) is None
    assert chart([(0, nan)]) is None


@given(st.integers(1, 500), st.integers(2, 60))
def test_a_sample_keeps_both_ends_and_the_order(length: int, most: int) -> None:
    points = [(float(step), 0.0) for step in range(length)]
    chosen = sample(points, most)
    assert chosen[0] == points[0] and chosen[-1] == points[-1]
    assert len(chosen) == min(length, most) and chosen == sorted(set(chosen))
