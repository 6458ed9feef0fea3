"""What the display tags draw: escaped, labelled, linked, and readable without the picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from django.template import Context, Template

EVIL = '<script>alert("x")</script>'


def render(source: str, **context: object) -> str:
    return Template("{% load mosaic_display %}" + source).render(Context(context))


def tile(label: str, weight: float, **more: object) -> dict[str, object]:
    return {"label": label, "weight": weight, **more}


def pictures(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]


def test_a_mosaic_draws_each_tile_and_names_it_in_the_key() -> None:
    tiles = [
        tile("Banking", 3, url="/experts/1/", colour=4, detail="by Ada"),
        tile("Travel", 1, url="/experts/2/", colour=5),
    ]
    html = render("{% mosaic tiles title='Release 1' %}", tiles=tiles)
    for picture in pictures(html):
        assert [link.get("href") for link in picture.iter("a")] == ["/experts/1/", "/experts/2/"]
        drawn = [group.get("class") for group in picture.iter("g") if group.get("class")]
        assert drawn == ["tile-4", "tile-5"]
        assert picture.find("title") is not None
    key = html[html.index("mosaic__keys") :]
    assert "75 %" in key and "25 %" in key and "by Ada" in key


def test_a_mosaic_takes_objects_as_well() -> None:
    @dataclass
    class Expert:
        label: str
        weight: float

    html = render("{% mosaic tiles %}", tiles=[Expert("Banking", 1.0)])
    assert "100 %" in html and "Banking" in html


def test_a_tile_without_credit_is_in_the_key_only() -> None:
    html = render("{% mosaic tiles %}", tiles=[tile("Banking", 1), tile("Newcomer", -0.2)])
    key_starts = html.index("mosaic__keys")
    assert "Newcomer" not in html[:key_starts]
    assert "Newcomer" in html[key_starts:] and "no measured credit" in html[key_starts:]


def test_an_empty_mosaic_says_what_fills_it() -> None:
    html = render("{% mosaic tiles %}", tiles=[])
    assert "The first release fills it" in html and len(pictures(html)) == 1


def test_names_are_escaped_wherever_they_are_drawn() -> None:
    html = render(
        "{% mosaic tiles title=evil %}",
        evil=EVIL,
        tiles=[tile(EVIL, 1, url='/"><script>', detail=EVIL)],
    )
    assert "<script" not in html
    assert "<script" not in render("{% loss_curve points label=evil %}", points=[(0, 1)], evil=EVIL)


def test_a_curve_has_its_table() -> None:
    html = render("{% loss_curve points %}", points=[(0, 2.5), (10, 1.25)])
    (picture,) = pictures(html)
    assert "2.500 to 1.250 in 10 steps" in str(picture.get("aria-label"))
    assert "2.5000" in html and "1.2500" in html


def test_a_long_table_is_sampled_and_says_so() -> None:
    html = render("{% loss_curve points %}", points=[(step, 1 / (step + 1)) for step in range(500)])
    assert html.count("<tr>") == 41
    assert "40 of 500" in re.sub(r"\s+", " ", html)


def test_a_curve_without_points_says_when_it_comes() -> None:
    assert "<svg" not in render("{% loss_curve points %}", points=[])


def test_an_interval_is_a_picture_and_a_text() -> None:
    html = render("{% interval 0.812 0.77 0.85 base=0.3 %}")
    (picture,) = pictures(html)
    bar = next(part for part in picture.iter("rect") if part.get("class") == "interval__bar")
    assert bar.get("width") == "81.20"
    text = re.sub(r"<[^>]+>", "", html)
    assert "0.81" in text and "(0.77–0.85)" in text and "base 0.30" in text


def test_an_interval_without_a_score_is_a_dash() -> None:
    assert "–" in render("{% interval score %}", score=None)


def test_filters_take_what_is_not_known_yet() -> None:
    source = "{{ x|mib }}{{ x|duration }}{{ x|percent }}{{ x|short_hash }}"
    assert render(source, x=None) == "––––"


def test_filters_format() -> None:
    source = "{{ 440401|mib }}, {{ 72|duration }}, {{ 0.154|percent }}, {{ digest|short_hash }}"
    assert render(source, digest="0123456789abcdef") == ("0.42 MiB, 1 min 12 s, 15.4 %, 0123456789")
