"""What the bench computes, and the command through its own door."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from mosaic_site.bench.measurement import Measurement, median_interval, percentile, table
from mosaic_site.bench.rows import INTENTS, make_rows


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0], (5.0, 5.0, 5.0)),
        ([float(value) for value in range(100, 0, -1)], (50.5, 41.0, 61.0)),
    ],
)
def test_the_interval_of_a_median_comes_from_ranks(
    values: list[float], expected: tuple[float, float, float]
) -> None:
    assert median_interval(values) == expected


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 21)]

    assert [percentile(values, share) for share in (0.0, 0.5, 0.95, 1.0)] == [1, 10, 19, 20]


@pytest.mark.parametrize("long", [False, True])
def test_rows_are_the_same_for_a_seed_and_held_out_wordings_are_never_trained_on(
    long: bool,
) -> None:
    rows = make_rows(1500, 450, 7, long=long)

    assert rows == make_rows(1500, 450, 7, long=long)
    assert rows != make_rows(1500, 450, 8, long=long)
    assert len({row.prompt for row in rows.train}) == 1500
    assert len({row.prompt for row in rows.held_out}) == 450
    assert not {row.prompt for row in rows.train} & {row.prompt for row in rows.held_out}
    answers = {intent.reply if long else intent.label for intent in INTENTS}
    assert {row.completion for row in rows.train} == answers
    assert {row.completion for row in rows.held_out} == answers


def _measured(seconds: float) -> Measurement:
    return Measurement("tea", seconds, "s", "coffee", 4.0, "Once.", "under 3 s", seconds < 3)


@pytest.mark.parametrize(("seconds", "verdict"), [(2.0, "met"), (3.0, "missed")])
def test_a_line_and_a_table_say_the_number_its_alternative_the_ratio_and_the_goal(
    seconds: float, verdict: str
) -> None:
    one = _measured(seconds)

    for text in (one.line(), table([one])):
        for said in ("tea", f"{seconds:g} s", "coffee", "4 s", f"{seconds / 4:.2f}", verdict):
            assert said in text
    assert Measurement.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_the_command_measures_on_a_site_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py"])
    result = tmp_path / "measured.json"

    call_command("bench", "tally", json=result)

    measured = json.loads(result.read_text(encoding="utf-8"))
    assert [one["name"] for one in measured] == [
        "tally.plain", "tally.base", "tally.complete", "tally.memory"]  # fmt: skip
    assert all(one["value"] > 0 for one in measured)
    assert "| `tally.complete` |" in capfd.readouterr().out


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(CommandError, match=r"There is no coffee; there are tally, .*serving"):
        call_command("bench", "coffee")
