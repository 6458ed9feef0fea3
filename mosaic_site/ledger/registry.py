"""The actions that the ledger knows, each as a person would say it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # apps register before there are models
    from django.contrib.auth.models import AnonymousUser

    from mosaic_site.members.models import User

# Action -> sentence, read as "<actor> <sentence> <subject>".
SENTENCES: dict[str, str] = {}


def register(sentences: Mapping[str, str]) -> None:
    """Called by each app when it is ready, with the actions that it records."""
    SENTENCES.update(sentences)


@dataclass(frozen=True)
class Privacy:
    """How things of some kinds are called before those who may not know of them by name.

    `known` gives, of the primary keys of each kind as text, the (kind, key) that a person may know.
    """

    instead: str
    known: Callable[[User | AnonymousUser, Mapping[str, Collection[str]]], set[tuple[str, str]]]


# Kind of subject -> its privacy. All other kinds are public.
PRIVATE: dict[str, Privacy] = {}


def keep_private(kinds: Iterable[str], privacy: Privacy) -> None:
    """Called by an app when it is ready, for what not everybody may see."""
    PRIVATE.update(dict.fromkeys(kinds, privacy))
