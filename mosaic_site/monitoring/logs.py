"""What every line of a log says: the request or the task it belongs to, and who asked.

A request's id goes with the tasks that it sends, so that one search finds all that it caused.
"""

import re
import uuid
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from django.http import HttpRequest

REQUEST_ID = "request_id"
HEADER = "X-Request-ID"
# A proxy's id is kept if it is one; anything else could forge lines.
_SOUND_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Addresses of the ballot box. A line or a count with a time, beside a chain that has none, would
# tell whose ballot is whose: of these nothing is noted.
_SECRET = re.compile(r"ballot|receipt")

current: ContextVar[HttpRequest | None] = ContextVar("current_request", default=None)
"""The request that is being answered."""


def id_of(request: HttpRequest) -> str:
    """The id that a proxy gave it, or a new one."""
    given = request.headers.get(HEADER, "")
    return given if _SOUND_ID.fullmatch(given) else uuid.uuid4().hex


def address_of(request: HttpRequest) -> str | None:
    """The name of the address that was asked for, empty where there is none; None where nothing
    may be noted of it. Paths are not noted: some hold a secret, as links to reset a password do."""
    match = request.resolver_match
    if match is None:
        return ""
    if _SECRET.search(match.view_name or match.route):
        return None
    return match.view_name or match.route


def user_of(request: HttpRequest) -> int | None:
    """Who is signed in, if this was asked already: a log line asks the database nothing."""
    user = request.__dict__.get("_cached_user")
    key: int | None = getattr(user, "pk", None)
    return key


def add_user(logger: Any, name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """structlog's processor: who asked, where that may be noted."""
    request = current.get()
    if request is not None and address_of(request) is not None:
        key = user_of(request)
        if key is not None:
            event.setdefault("user", key)
    return event


def begin(**about: Any) -> None:
    """From here on every line of this request or task says these."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**about)


def end() -> None:
    structlog.contextvars.clear_contextvars()


def request_id() -> str | None:
    """The id of the request that is answered, or that has caused the task that runs."""
    found: str | None = structlog.contextvars.get_contextvars().get(REQUEST_ID)
    return found


def configuration(*, machine_readable: bool) -> dict[str, Any]:
    """Django's LOGGING: JSON, one object a line, or lines for a person at a terminal."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_user,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.stdlib.ExtraAdder(allow={"address", "method", "status", "milliseconds", "keys"}),
    ]
    # No local variables in a traceback: a sealed probe could be among them.
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if machine_readable
        else [
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
                "foreign_pre_chain": shared,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # Uvicorn's own lines hold paths and addresses; ours say the rest, with the id.
            "uvicorn": {"handlers": [], "propagate": True, "level": "INFO"},
            "uvicorn.access": {"handlers": [], "propagate": True, "level": "WARNING"},
            "uvicorn.error": {"handlers": [], "propagate": True, "level": "WARNING"},
            # The same again for each 404, with its path and outside of the request.
            "django.request": {"level": "ERROR"},
            # Every task is told once, when it has ended.
            "celery.worker.strategy": {"level": "WARNING"},
        },
    }
