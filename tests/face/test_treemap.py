"""The mosaic's areas say what they claim to say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic_site.display.treemap import Rectangle, squarify

weights = st.lists(st.floats(0.01, 1000), min_size=1, max_size=40)
side = st.floats(10, 2000)


@given(weights, side, side)
def test_each_area_is_proportional_to_its_weight(
    weights: list[float], width: float, height: float
) -> None:
    tiles = squarify(weights, width, height)
    for tile, weight in zip(tiles, weights, strict=True):
        assert tile.area == pytest.approx(width * height * weight / sum(weights), rel=1e-6)


@given(weights, side, side)
def test_tiles_stay_inside_and_do_not_overlap(
    weights: list[float], width: float, height: float
) -> None:
    tiles = squarify(weights, width, height)
    slack = 1e-6 * max(width, height)
    for tile in tiles:
        assert tile.x >= -slack and tile.y >= -slack
        assert tile.x + tile.width <= width + slack
        assert tile.y + tile.height <= height + slack
    for index, one in enumerate(tiles):
        for other in tiles[index + 1 :]:
            across = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            down = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert across <= slack or down <= slack


def test_the_paper_s_example_is_laid_out_as_printed() -> None:
    """Bruls, Huizing and van Wijk, figure 4: areas 6, 6, 4, 3, 2, 2, 1 in 6 x 4."""
    first, second, third, fourth = squarify([6, 6, 4, 3, 2, 2, 1], 6, 4)[:4]
    assert first == Rectangle(0, 0, 3, 2)
    assert second == Rectangle(0, 2, 3, 2)
    assert third == Rectangle(3, 0, pytest.approx(12 / 7), pytest.approx(7 / 3))  # type: ignore[arg-type]
    assert fourth.y == 0 and fourth.height == pytest.approx(7 / 3)


def test_no_weights_no_tiles() -> None:
    assert squarify([], 10, 10) == []


@pytest.mark.parametrize("weights", [[1, 0], [1, -1], [float("nan")], [float("inf")]])
def test_a_weight_without_an_area_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        squarify(weights, 10, 10)
