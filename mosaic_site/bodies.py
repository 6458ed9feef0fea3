"""The body of a request, cut off at the limit before Django stores any of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

OVER_LIMIT = "mosaic.body_over_limit"
ROOM_BYTES = 2**20
"""For a form's own fields beside the file."""


def limit_bytes() -> int:
    """What one request may bring at most."""
    most: int = settings.MOSAIC_UPLOAD_LIMIT_BYTES
    return most + ROOM_BYTES


class BodyLimit:
    """ASGI middleware. Django writes the whole body to a temporary file before any view, or any
    middleware of its own, can refuse it; and a chunked one says nowhere how long it is.

    What is over the limit, by its head or by its bytes, ends there: Django gets it without the
    rest, with `OVER_LIMIT` in the scope, and the rest is thrown away as it comes.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared, most, received = _declared(scope), limit_bytes(), 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            while scope.get(OVER_LIMIT) and message["type"] == "http.request":
                message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if max(declared, received) > most:
                    scope[OVER_LIMIT] = True
                    return {"type": "http.request", "body": b"", "more_body": False}
            return message

        await self._application(scope, limited, send)


def _declared(scope: Scope) -> int:
    for name, value in scope.get("headers", []):
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
