"""Tags and filters that draw numbers: the mosaic, loss curves, intervals, sizes, times, states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django import template
from django.template.context import Context
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mosaic_site.display import words
from mosaic_site.display.curve import chart, sample
from mosaic_site.display.histogram import histogram as lay_out
from mosaic_site.display.mosaic import draw, read_tiles

register = template.Library()

register.filter("state_tone", lambda state: words.state_tone(str(state)))
register.filter("state_word", lambda state: words.state_word(str(state)))

TABLE_ROWS = 40
NO_VALUE = "\N{EN DASH}"


@register.filter
def mib(size: int | None) -> str:
    """Bytes as "0.42 MiB"; a dash for None."""
    return NO_VALUE if size is None else words.mib(size)


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as "1 min 12 s"; a dash for None."""
    return NO_VALUE if seconds is None else words.duration(seconds)


@register.filter
def percent(share: float | None) -> str:
    """A share of one as "15.4 %"; a dash for None."""
    return NO_VALUE if share is None else words.percent(share)


@register.filter
def short_hash(digest: str | None) -> str:
    """The first ten characters of a digest; a dash for None or nothing."""
    return words.short_hash(digest) if digest else NO_VALUE


@register.filter
def tile_colour(contributor: object) -> int:
    """The colour 1..12 of a contributor: ``class="tile-{{ member.pk|tile_colour }}"``."""
    return words.tile_colour(contributor)


@register.simple_tag(takes_context=True)
def nav_link(context: Context, name: str, label: str) -> SafeString:
    """A link of the main navigation, marked as current on its page and the pages below it.

    Nothing for a name the URLconf does not have: a site may run without that part.
    """
    try:
        url = reverse(name)
    except NoReverseMatch:
        return SafeString("")
    request = context.get("request")
    path = request.path if request is not None else ""
    current = path == url or (url != "/" and path.startswith(url))
    mark = SafeString(f' aria-current="{"page" if path == url else "true"}"') if current else ""
    return format_html('<li><a class="nav-link" href="{}"{}>{}</a></li>', url, mark, label)


@register.inclusion_tag("components/mosaic.html")
def mosaic(
    tiles: Iterable[object], title: str = "The mosaic", name: str = "mosaic"
) -> dict[str, object]:
    """Draw tiles as a treemap with a numbered key below it.

    A tile is an object or mapping with ``label``, ``weight`` (its area; a tile without a positive
    weight is in the key only) and optionally ``colour`` (1..12), ``url`` and ``detail``. ``title``
    names the picture for those who cannot see it; ``name`` is unique on the page.
    """
    keys = read_tiles(tiles)
    return {"keys": keys, "pictures": draw(keys), "title": title, "name": name}


@register.inclusion_tag("components/loss_curve.html")
def loss_curve(
    points: Sequence[tuple[float, float]],
    label: str = "Training loss",
    x_label: str = "Step",
) -> dict[str, object]:
    """Draw (step, loss) points as a curve with axes, and a table of them below.

    A long run's table shows at most 40 evenly spaced rows, the first and the last among them.
    """
    plot = chart(points)
    rows = sample(points, TABLE_ROWS)
    context: dict[str, object] = {"label": label, "x_label": x_label, "plot": plot}
    if plot is None:
        return context
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in plot.line)
    first, last = plot.line[0], plot.line[-1]
    return context | {
        "x_ticks": [(f"{tick.place:.1f}", tick.label) for tick in plot.x_ticks],
        "y_ticks": [
            (f"{tick.place:.1f}", f"{tick.place + 5:.1f}", tick.label) for tick in plot.y_ticks
        ],
        "line": line,
        "area": f"{first[0]:.1f},{plot.bottom} {line} {last[0]:.1f},{plot.bottom}",
        "end_x": f"{last[0]:.1f}",
        "end_y": f"{last[1]:.1f}",
        "rows": [(f"{x:,.0f}", f"{y:.4f}") for x, y in rows],
        "all_rows": len(points),
        "summary": f"from {points[0][1]:.3f} to {points[-1][1]:.3f} in {points[-1][0]:,.0f} steps",
    }


@register.inclusion_tag("components/histogram.html")
def histogram(
    counts: Sequence[tuple[int, int]], label: str, x_label: str = "Up to", y_label: str = "Rows"
) -> dict[str, object]:
    """Draw (upper end, count) pairs as bars, with a table of them below; nothing if all are 0."""
    named = [(f"{end:,}", count) for end, count in counts]
    picture = lay_out(named)
    context: dict[str, object] = {"label": label, "x_label": x_label, "y_label": y_label}
    context["picture"] = picture
    if picture is None:
        return context
    peak = max(named, key=lambda pair: pair[1])
    return context | {
        "bars": [
            tuple(f"{value:.1f}" for value in (bar.x, bar.y, bar.width, bar.height))
            for bar in picture.bars
        ],
        "x_ticks": [(f"{tick.place:.1f}", tick.label) for tick in picture.x_ticks],
        "y_ticks": [
            (f"{tick.place:.1f}", f"{tick.place + 5:.1f}", tick.label) for tick in picture.y_ticks
        ],
        "rows": [(text, f"{count:,}") for text, count in named],
        "summary": f"most, {peak[1]:,}, have up to {peak[0]}",
    }


@register.inclusion_tag("components/interval.html")
def interval(
    score: float | None,
    low: float | None = None,
    high: float | None = None,
    base: float | None = None,
) -> dict[str, object]:
    """A score in [0, 1] as a bar with a whisker from low to high and the text "0.81 (0.77-0.85)".

    ``base`` draws a mark to compare with. Without a score a dash; without bounds no whisker.
    """

    def place(value: float) -> str:
        return f"{100 * min(max(value, 0.0), 1.0):.2f}"

    context: dict[str, object] = {"score": None, "whisker": None, "base": None}
    if score is None:
        return context
    context["score"] = f"{score:.2f}"
    context["bar"] = place(score)
    if low is not None and high is not None:
        context["whisker"] = (place(low), place(high))
        context["range"] = f"{low:.2f}\N{EN DASH}{high:.2f}"
    if base is not None:
        context["base"] = place(base)
        context["base_text"] = f"{base:.2f}"
    return context
