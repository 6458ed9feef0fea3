"""Writes docs/permissions.md from the table that the tests hold the site to.

python -m tests.architecture.permissions_page
"""

import os
import re
from collections.abc import Iterator

from tests.architecture.source import ROOT

OPTIONAL = re.compile(r"\(\?:\(\?P<(\w+)>[^)]*\)\)\?")
PAGE = ROOT / "docs" / "permissions.md"
HEAD = """\
# Who may do what

Every address of the site, and what each kind of person gets who asks for it. Written by
`python -m tests.architecture.permissions_page` from `tests/architecture/doors.py`; the tests ask
every address as every one of them, by hand and by token, and hold this page to that table.
Addresses of the accounts (`/account/…`) are django-allauth's.

*Other member*: one who has nothing to do with the thing in the address. *Owner*: whose it is.
*Token*: the scope that a program needs; with it it gets what its member gets, except that a
steward's token gets what any other member's gets. What is not there and what is not yours are
answered the same way: *missing*.

| means | |
|---|---|
| yes | it is shown, or done |
| asks | it may, and hears which fields are missing |
| refused | it may ask, and hears why it cannot be done now |
| unready | something that it needs is away |
| sign in | the page to sign in; a program gets 401 |
| missing | 404 |
| – | there is no such method |
"""
TABLE = """\
| address | | visitor | other member | owner | steward | token |
|---|---|---|---|---|---|---|"""


def _words() -> dict[object, str]:
    from tests.architecture.doors import Answer

    return {
        Answer.PAGE: "yes",
        Answer.FILE: "yes",
        Answer.DONE: "yes",
        Answer.TAKEN: "yes",
        Answer.ELSEWHERE: "yes",
        Answer.LOGIN: "sign in",
        Answer.UNKNOWN: "sign in",
        Answer.MISSING: "missing",
        Answer.NOT_ALLOWED: "–",
        Answer.INCOMPLETE: "asks",
        Answer.REFUSED: "refused",
        Answer.UNREADY: "unready",
    }


def _rows() -> Iterator[tuple[str, str]]:
    """The part of the site, and a row of its table."""
    from mosaic_site.api.endpoints import Endpoint
    from mosaic_site.members.models import Scope
    from tests.architecture.doors import DOORS, Answer, addresses

    words = _words()
    for address in addresses():
        if address.is_accounts:
            continue
        door = DOORS[address.name][0]
        view = getattr(address.view, "cls", None)
        path = "/" + re.sub(r"<\w+:", "<", OPTIONAL.sub(r"<\1>", address.path)).strip("^$")
        rows: dict[tuple[str, str], list[str]] = {}
        for method in ("get", "post", "put", "delete"):
            answers = getattr(door, method)
            if answers is None or answers[-1] is Answer.NOT_ALLOWED:
                continue
            scope = ""
            if isinstance(view, type) and issubclass(view, Endpoint):
                reads = method == "get" and not view.is_secret
                scope = f"`{Scope.READ if reads else view.scope}`"
            said = " | ".join(words[answer] for answer in answers)
            rows.setdefault((said, scope), []).append(method.upper())
        part = "The API" if path.startswith("/api/v1/") else "Pages"
        for (said, scope), methods in rows.items():
            yield part, f"| `{path}` | {', '.join(methods)} | {said} | {scope} |"


def _sockets() -> Iterator[str]:
    from tests.architecture.doors import PEOPLE, SOCKETS

    for path, (audience, _) in SOCKETS.items():
        said = " | ".join("yes" if who in audience else "missing" for who in PEOPLE)
        yield f"| `/{path.replace('<int:', '<')}` | WebSocket | {said} | |"


def page() -> str:
    """The whole page."""
    parts: dict[str, list[str]] = {}
    for part, row in _rows():
        parts.setdefault(part, []).append(row)
    parts["WebSockets"] = list(_sockets())
    tables = [f"## {part}\n\n{TABLE}\n" + "\n".join(rows) + "\n" for part, rows in parts.items()]
    return "\n".join([HEAD, *tables])


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mosaic_site.settings.test")
    import django

    django.setup()
    PAGE.write_text(page(), encoding="utf-8")
