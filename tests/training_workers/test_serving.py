"""The serving process beside broken files and questions that cannot be answered."""

import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from mosaic_site.members.models import User
from tests.factories import make_user
from tests.training_workers.makers import make_live_release, register_pocket
from training_workers.engine.adapters import AdapterError
from training_workers.engine.routing import BestSingle, DevTable
from training_workers.models import Release
from training_workers.serving.client import ask_and_wait
from training_workers.serving.process import ServingProcess, connect
from training_workers.serving.wire import ALIVE, ALIVE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people() -> tuple[User, User]:
    """An owner and a steward, in a community whose base is pocket."""
    register_pocket()
    return make_user("ada"), make_user("vera", steward=True)


@pytest.fixture
def serving(line: "redis.Redis", people: tuple[User, User]) -> Iterator[ServingProcess]:
    """A serving process that runs, on the base alone."""
    process = ServingProcess(connect())
    process.look_at_rows()
    line.set(ALIVE, "1", ex=ALIVE_SECONDS)
    thread = threading.Thread(target=process.run)
    thread.start()
    yield process
    process.stop()
    thread.join()


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["kind"] for event in events]


def test_a_release_whose_files_are_gone_leaves_the_one_before_it_in_place(
    line: "redis.Redis", people: tuple[User, User]
) -> None:
    process = ServingProcess(connect())
    release = make_live_release(*people)
    table = DevTable(["hello"], ["greetings"], {"": [True]})
    BestSingle.fit(table).save(release.strategy_path)
    Release.objects.get().members.all().delete()
    process.look_at_rows()
    held = process.served

    second = make_live_release(*people)  # its adapters were never written
    with pytest.raises(AdapterError, match="cannot be read"):
        process.look_at_rows()

    assert process.served is held and held is not None
    assert held.release == release.number != second.number
    shutil.rmtree(release.strategy_path)


def test_what_cannot_be_answered_is_said_and_the_next_question_is_answered(
    serving: ServingProcess,
) -> None:
    nothing = ask_and_wait("hello", max_new_tokens=0)
    fine = ask_and_wait("hello", max_new_tokens=4)

    assert kinds(nothing)[-1] == "error"
    assert kinds(fine)[0] == "route" and kinds(fine)[-1] == "done"
