import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole sites goes first, so that the rest runs beside it."""
    items.sort(key=lambda item: "tests/site/" not in item.path.as_posix())
