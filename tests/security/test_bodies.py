"""Bodies over the limit: cut off before Django stores them, however long they say they are."""

from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from pytest_django.fixtures import Settings

from mosaic_site.asgi import application
from mosaic_site.bodies import ROOM_BYTES

PIECE = b"x" * 2**16
SECONDS = 20.0


@pytest.fixture(autouse=True)
def small(settings: Settings) -> None:
    settings.MOSAIC_UPLOAD_LIMIT_BYTES = 2**20


class Sender:
    """A program that sends a body piece by piece, and counts what was taken of it."""

    def __init__(self, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.wire: Any = ApplicationCommunicator(  # type: ignore[no-untyped-call]
            application,
            {
                "type": "http",
                "http_version": "1.1",
                "method": "POST",
                "path": path,
                "query_string": b"",
                "headers": [(b"host", b"testserver"), *headers],
                "client": ["192.0.2.1", 4321],
            },
        )

    async def send(self, pieces: int) -> None:
        for number in range(pieces):
            more = number < pieces - 1
            await self.wire.send_input({"type": "http.request", "body": PIECE, "more_body": more})

    async def answer(self) -> tuple[int, bytes]:
        start = await self.wire.receive_output(SECONDS)
        body = b""
        while True:
            message = await self.wire.receive_output(SECONDS)
            body += message.get("body", b"")
            if not message.get("more_body"):
                await self.wire.wait(SECONDS)
                return int(start["status"]), body


async def _asked(path: str, pieces: int, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    sender = Sender(path, list(headers))
    await sender.send(pieces)
    return await sender.answer()


@pytest.mark.django_db(transaction=True)
async def test_a_chunked_body_is_cut_off_where_the_limit_is() -> None:
    over = (2**20 + ROOM_BYTES) // len(PIECE) + 1

    status, body = await _asked("/api/v1/proposals/", over)

    assert status == 413
    assert b"One request may bring at most 1.00 MiB." in body.replace(b"\\u00a0", b" ")


@pytest.mark.django_db(transaction=True)
async def test_a_page_says_so_in_its_own_words() -> None:
    over = (2**20 + ROOM_BYTES) // len(PIECE) + 1

    status, body = await _asked("/datasets/new/", over)

    assert status == 413
    assert b"One file may have at most" in body


@pytest.mark.django_db(transaction=True)
async def test_what_says_that_it_is_too_long_is_not_read_at_all() -> None:
    status, _ = await _asked("/api/v1/proposals/", 1, (b"content-length", b"99999999999"))

    assert status == 413


@pytest.mark.django_db(transaction=True)
async def test_what_is_within_the_limit_comes_through() -> None:
    status, _ = await _asked("/api/v1/proposals/", 2, (b"content-type", b"application/json"))

    assert status == 401
