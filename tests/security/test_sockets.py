"""A page of another site opens no socket here, whoever is signed in in the browser."""

import pytest

from tests.training_workers.sockets import Page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("origin", "opens"),
    [
        ("http://testserver", True),
        ("https://evil.example", False),
        ("http://testserver.evil.example", False),
        ("null", False),
    ],
)
async def test_the_origin_decides(origin: str, opens: bool) -> None:
    page = Page("/ws/talk/", origin=origin)

    assert await page.connects() is opens
    await page.leaves()
