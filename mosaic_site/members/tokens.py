"""API tokens: made, revoked and recognised. Personal, so the ledger does not hear of them."""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mosaic_site.errors import Refused
from mosaic_site.members.models import ApiToken, Scope, User

# So that a scanner for lost secrets, or a reader, knows one when it sees one.
PREFIX = "mosaic_"
MOST_TOKENS = 20


class NotLetIn(Exception):
    """A program brought no token that opens this. `error` is a code of RFC 6750, section 3.1."""

    def __init__(self, status: int, error: str, problem: str, remedy: str) -> None:
        super().__init__(f"{problem} {remedy}")
        self.status, self.error, self.problem, self.remedy = status, error, problem, remedy

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


def token_let_in(*, authorization: str, scope: Scope) -> ApiToken:
    """The token in an Authorization header, if it opens `scope`. Raises NotLetIn."""
    kind, _, secret = authorization.partition(" ")
    token = token_recognise(secret=secret.strip()) if kind.lower() == "bearer" else None
    if token is None:
        raise NotLetIn(
            401,
            "invalid_token",
            "This token is unknown, expired or revoked.",
            "Make a new one in your settings, and send it as “Authorization: Bearer SECRET”.",
        )
    if scope not in token.scopes:
        raise NotLetIn(
            403,
            "insufficient_scope",
            f"This token may not be used for this: it lacks the scope {scope}.",
            "Make one that has it.",
        )
    return token
