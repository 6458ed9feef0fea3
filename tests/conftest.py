from collections.abc import Generator, Iterator

import pytest
from django.db import connection
from pytest_django.plugin import blocking_manager_key

from governance import triggers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole sites goes first, so that the rest runs beside it."""
    items.sort(key=lambda item: "tests/site/" not in item.path.as_posix())


def commits(item: pytest.Item) -> bool:
    """Whether the test's rows are committed, so that all tables are emptied after it."""
    marker = item.get_closest_marker("django_db")
    return marker is not None and bool(marker.kwargs.get("transaction"))


@pytest.fixture(autouse=True)
def guards_let_the_flush_pass(request: pytest.FixtureRequest) -> Iterator[None]:
    """The guards of the database refuse that tables are emptied."""
    if not commits(request.node):
        yield
        return
    request.getfixturevalue("_django_db_helper")  # so that it ends after this one
    yield
    triggers.remove(connection)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, None, None]:
    """And they are there again for the next test, whichever it is."""
    yield
    # After the last test the database is gone.
    if nextitem is not None and commits(item):
        with item.config.stash[blocking_manager_key].unblock():
            triggers.install(connection)
