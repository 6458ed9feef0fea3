"""The histogram's geometry: bars stand on the axis, inside the picture, as high as their count."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic_site.display.histogram import histogram

Counts = list[tuple[str, int]]
COUNTS = st.lists(st.tuples(st.text(max_size=5), st.integers(0, 10**7)), min_size=1, max_size=40)


@given(COUNTS.filter(lambda counts: any(count for _, count in counts)))
def test_bars_stand_on_the_axis_and_are_as_high_as_their_count(counts: Counts) -> None:
    picture = histogram(counts)

    assert picture is not None
    assert [(bar.label, bar.count) for bar in picture.bars] == counts
    most = max(picture.bars, key=lambda bar: bar.count)
    for bar in picture.bars:
        assert abs(bar.y + bar.height - picture.bottom) < 1e-6
        assert picture.left <= bar.x and bar.x + bar.width <= picture.right + 1e-6
        assert bar.y >= 16 - 1e-6
        assert abs(bar.height * most.count - most.height * bar.count) < 1e-3 * most.count + 1e-3
    assert picture.y_ticks and len(picture.x_ticks) <= 6


def test_nothing_is_drawn_of_nothing() -> None:
    assert histogram([]) is None
    assert histogram([("10", 0), ("20", 0)]) is None
