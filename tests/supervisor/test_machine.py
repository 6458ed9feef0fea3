"""The small parts of the supervisor that need no process."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mosaic_site.settings.paths import LONGEST_SOCKET_PATH, redis_socket
from mosaic_site.supervisor.guard import groups_left
from mosaic_site.supervisor.machine import LOGS_KEPT, last_line, rotate


def test_the_socket_lies_in_the_home_when_it_fits(tmp_path: Path) -> None:
    assert redis_socket(Path("/srv/mosaic")) == Path("/srv/mosaic/redis.sock")


def test_each_home_with_a_long_path_has_its_own_short_socket() -> None:
    one, other = Path("/srv", "x" * 120), Path("/srv", "y" * 120)
    assert len({redis_socket(one), redis_socket(other), redis_socket(one)}) == 2
    assert redis_socket(one).is_relative_to(tempfile.gettempdir())
    assert len(str(redis_socket(one))) <= LONGEST_SOCKET_PATH


def test_rotation_keeps_the_last_logs_in_order(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    for start in range(LOGS_KEPT + 3):
        rotate(log)
        log.write_text(str(start))
    kept = [path.read_text() for path in sorted(tmp_path.iterdir())]
    newest = LOGS_KEPT + 2
    assert kept == [str(newest - age) for age in range(LOGS_KEPT + 1)]


def test_the_last_line_is_the_last_one_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("Traceback\nValueError: the reason\n\n  \n")
    assert last_line(log) == "ValueError: the reason"
    log.write_text("")
    assert last_line(log) == "it said nothing"


@given(st.lists(st.tuples(st.sampled_from("+-"), st.integers(2, 9))))
def test_the_guard_knows_exactly_the_groups_that_still_run(told: list[tuple[str, int]]) -> None:
    left = groups_left(f"{sign}{group}\n" for sign, group in told)
    last_word = dict((group, sign) for sign, group in told)
    assert left == {group for group, sign in last_word.items() if sign == "+"}
