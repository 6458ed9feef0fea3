"""Signs of life from beside long work, so that a long step does not look like a death."""

from collections.abc import Callable
from threading import Event, Thread
from types import TracebackType

from django.db import InterfaceError, OperationalError, connection


class Pulse:
    """Calls `beat` every so many seconds, from a thread of its own, while the block lasts."""

    def __init__(self, beat: Callable[[], None], *, every: float) -> None:
        self._call, self._every = beat, every
        self._ended = Event()
        self._thread = Thread(target=self._beat, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(self._every):
                try:
                    self._call()
                except (OperationalError, InterfaceError):
                    # The database is busy or away: the next beat tries again.
                    connection.close()
        finally:
            connection.close()
