from collections.abc import Iterator

import pytest
from django.db import connection

from governance import triggers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole sites goes first, so that the rest runs beside it."""
    items.sort(key=lambda item: "tests/site/" not in item.path.as_posix())


@pytest.fixture(autouse=True)
def guards_let_the_flush_pass(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that commit end with all tables emptied, which the guards of the database refuse."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None or not marker.kwargs.get("transaction"):
        yield
        return
    request.getfixturevalue("_django_db_helper")  # so that it ends after this one
    triggers.install(connection)
    yield
    triggers.remove(connection)
