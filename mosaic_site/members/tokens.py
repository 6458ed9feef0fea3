"""API tokens: made, revoked and recognised. Personal, so the ledger does not hear of them."""

import hashlib
import secrets
import time
from collections.abc import Iterable
from datetime import timedelta

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mosaic_site.errors import Refused
from mosaic_site.members.models import ApiToken, Scope, User

# So that a scanner for lost secrets, or a reader, knows one when it sees one.
PREFIX = "mosaic_"
MOST_TOKENS = 20
WRONG_A_MINUTE = 20
"""From one address. Nobody guesses 256 bits; who tries is not to keep the site busy."""


class NotLetIn(Exception):
    """A program brought no token that opens this. `error` is a code of RFC 6750, section 3.1.

    `seconds`: when it may try again, where it has tried too often.
    """

    def __init__(
        self, status: int, error: str, problem: str, remedy: str, seconds: int | None = None
    ) -> None:
        super().__init__(f"{problem} {remedy}")
        self.status, self.error, self.problem, self.remedy = status, error, problem, remedy
        self.seconds = seconds

    @property
    def challenge(self) -> str:
        """The header WWW-Authenticate, as RFC 6750, section 3, has it."""
        return f'Bearer error="{self.error}"'


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def token_make(
    *, member: User, name: str, scopes: Iterable[str], days: int
) -> tuple[ApiToken, str]:
    """A token for so many days, and its secret, which nobody can read again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=member.pk)
        kept = ApiToken.objects.filter(member=member, revoked_at=None)
        if kept.filter(name=name).exists():
            raise Refused(
                f"You have a token called “{name}” already.",
                "Choose another name, or revoke that one first.",
            )
        if kept.count() >= MOST_TOKENS:
            raise Refused(f"You have {MOST_TOKENS} tokens.", "Revoke one that you do not use.")
        token = ApiToken.objects.create(
            member=member,
            name=name,
            sha256=_sha256(secret),
            scopes=sorted(scopes),
            expires_at=timezone.now() + timedelta(days=days),
        )
    return token, secret


def token_revoke(*, token: ApiToken) -> None:
    """From now on nobody gets in with it. Harmless the second time."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


def token_recognise(*, secret: str) -> ApiToken | None:
    """The token of this secret if it may still be used; notes that it was."""
    usable = ApiToken.objects.usable().select_related("member")
    token = usable.filter(sha256=_sha256(secret)).first()
    if token is not None:
        now = timezone.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - timedelta(minutes=1))
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
    return token


def token_of(*, authorization: str, address: str) -> ApiToken:
    """The token in an Authorization header. Raises NotLetIn for none that may be used now, and for
    any from an address that has sent `WRONG_A_MINUTE` of those.

    Its member has a member's rights alone (`User.is_by_token`).
    """
    if not authorization:  # asks what is here, and guesses nothing
        raise NotLetIn(
            401,
            "invalid_token",
            "This needs a token.",
            "Make one in your settings, and send it as “Authorization: Bearer SECRET”.",
        )
    minute, passed = divmod(int(time.time()), 60)
    key = f"token.wrong.{address}.{minute}"
    if cache.get(key, 0) >= WRONG_A_MINUTE:
        raise NotLetIn(
            429,
            "invalid_token",
            "Too many wrong tokens came from your address.",
            "Wait a minute, then send one that is right.",
            seconds=60 - passed,
        )
    kind, _, secret = authorization.partition(" ")
    token = token_recognise(secret=secret.strip()) if kind.lower() == "bearer" else None
    if token is None:
        if not cache.add(key, 1, timeout=120):
            cache.incr(key)
        raise NotLetIn(
            401,
            "invalid_token",
            "This token is unknown, expired or revoked.",
            "Make a new one in your settings, and send it as “Authorization: Bearer SECRET”.",
        )
    token.member.is_by_token = True
    return token


def require_scope(token: ApiToken, *scopes: Scope) -> None:
    """Raise NotLetIn where a token has none of these; the first is the one to ask for."""
    if not set(scopes) & set(token.scopes):
        raise NotLetIn(
            403,
            "insufficient_scope",
            f"This token may not be used for this: it lacks the scope {scopes[0]}.",
            "Make one that has it.",
        )


def token_let_in(*, authorization: str, scope: Scope, address: str) -> ApiToken:
    """The token in an Authorization header, if it opens `scope`. Raises NotLetIn."""
    token = token_of(authorization=authorization, address=address)
    require_scope(token, scope)
    return token
