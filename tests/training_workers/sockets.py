"""A page's end of a WebSocket, speaking ASGI to the whole site.

`channels.testing` would do, but it cannot be imported without another web server.
"""

import json
from typing import Any

from asgiref.testing import ApplicationCommunicator

from mosaic_site.asgi import application

SECONDS = 5.0


class Page:
    """One connection. `origin` says which site the page is from, `address` from where it asks."""

    def __init__(
        self, path: str, *, origin: str = "http://testserver", address: str = "192.0.2.1"
    ) -> None:
        self.wire: Any = ApplicationCommunicator(  # type: ignore[no-untyped-call]
            application,
            {
                "type": "websocket",
                "path": path,
                "query_string": b"",
                "headers": [(b"origin", origin.encode())],
                "client": [address, 4321],
                "subprotocols": [],
            },
        )

    async def connects(self) -> bool:
        """Whether the site accepts the connection."""
        await self.wire.send_input({"type": "websocket.connect"})
        answer = await self.wire.receive_output(SECONDS)
        return bool(answer["type"] == "websocket.accept")

    async def says(self, **message: Any) -> None:
        await self.wire.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def hears(self) -> str:
        """The next piece of HTML."""
        message = await self.wire.receive_output(SECONDS)
        assert message["type"] == "websocket.send"
        return str(message["text"])

    async def hears_until(self, words: str) -> list[str]:
        """All pieces up to the first with these words."""
        pieces = [await self.hears()]
        while words not in pieces[-1]:
            pieces.append(await self.hears())
        return pieces

    async def leaves(self) -> None:
        await self.wire.send_input({"type": "websocket.disconnect", "code": 1001})
        await self.wire.wait(SECONDS)
