"""What a site does that lacks a part: Redis and the workers, or the data for a rehearsal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic_site.supervisor import Stack, StackError
from tests.site import cast
from tests.site.stack import Person, act, ended, expert_status, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Nothing but the web process, with a community in its database."""
    site = Stack(tmp_path_factory.mktemp("site"), services=("web",), env={"MOSAIC_DEMO": "1"})
    with site:
        site.manage("register_base")
        act(site, cast.settle)
        yield site


@pytest.mark.parametrize("path", ["/", "/talk/", "/experts/", "/rounds/", "/ledger/", "/desk/"])
def test_pages_are_answered_without_redis(bare: Stack, path: str) -> None:
    assert Person(bare, cast.STEWARD).get(path)[0] == 200


def test_the_talk_page_says_that_nobody_answers(bare: Stack) -> None:
    page = Person(bare).ask(cast.ball(1)[0])
    assert "The line to the model broke. Ask again in a minute." in page


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, r"has no file called <name>\.train\.csv"),
        ({"a.train.csv": b"prompt,completion\n\xff\x00\x01\xfe\n"}, r"a\.train\.csv"),
        ({"a.train.csv": b"prompt,completion\nwhat,that\n"}, r"a\.train\.csv"),
    ],
    ids=["an empty folder", "a broken file", "too few rows"],
)
def test_a_rehearsal_that_cannot_begin_says_why_and_leaves_the_site_alone(
    bare: Stack, tmp_path: Path, files: dict[str, bytes], reason: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    before = rows(bare, "SELECT count(*) FROM ledger_entry")[0][0]
    with pytest.raises(StackError, match=f"The loop did not close. .*{reason}"):
        bare.manage("rehearse", "--data", str(tmp_path))
    assert rows(bare, "SELECT count(*) FROM ledger_entry")[0][0] == before


def test_what_was_decided_without_redis_is_done_once_it_is_there(bare: Stack) -> None:
    act(bare, cast.check)
    expert = act(bare, cast.approve, passes=2)
    assert expert_status(bare, expert) == ("approved", "")
    bare.stop()
    with Stack(bare.home, services=("redis", "worker-default", "worker-gpu", "beat")) as whole:
        assert ended(whole, expert=expert).status == "done"
    assert expert_status(bare, expert) == ("eligible", "")
