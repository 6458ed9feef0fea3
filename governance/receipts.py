"""The receipts of a person's own ballots, kept in their own browser and nowhere else.

After a round is settled the site itself can no longer tell whose a ballot is; these signed cookies
let a person's own pages still find it. Another person's browser, or account, reads nothing.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from mosaic_site.members.models import User

COOKIE = "receipts"
MOST = 12
A_YEAR = 366 * 86400


def kept_receipts(request: HttpRequest, person: User) -> list[str]:
    """The newest last; empty where there is no cookie, or it is somebody else's."""
    kept: str = request.get_signed_cookie(COOKIE, default="", salt=_salt(person)) or ""
    return kept.split(".") if kept else []


def keep_receipt(request: HttpRequest, response: HttpResponse, person: User, receipt: str) -> None:
    kept = [one for one in kept_receipts(request, person) if one != receipt]
    response.set_signed_cookie(
        COOKIE,
        ".".join([*kept, receipt][-MOST:]),
        salt=_salt(person),
        max_age=A_YEAR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _salt(person: User) -> str:
    return f"governance.receipts.{person.pk}"
