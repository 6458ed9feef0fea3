"""A question to the live model and its answer, as the page and the socket both need them."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache

from mosaic_site.errors import Refused

LONGEST_QUESTION = 4000
QUESTIONS_A_MINUTE = 30


def read_question(text: str) -> str:
    """The question without surrounding space. Raises Refused for an empty or too long one."""
    question = text.strip()
    if not question:
        raise Refused("Write a question first.")
    if len(question) > LONGEST_QUESTION:
        raise Refused(
            f"Your question has {len(question):,} characters and at most {LONGEST_QUESTION:,} "
            "fit. Shorten it and ask again."
        )
    return question


def asker_by_account(user_id: int) -> str:
    return f"account.{user_id}"


def asker_by_address(address: str) -> str:
    return f"address.{address}"


async def count_question(asker: str) -> None:
    """Count one more question of this minute. Raises Refused above QUESTIONS_A_MINUTE."""
    key = f"talk.{asker}.{int(time.time()) // 60}"
    if await cache.aadd(key, 1, timeout=120):
        return
    if await cache.aincr(key) > QUESTIONS_A_MINUTE:
        raise Refused(
            f"You have asked {QUESTIONS_A_MINUTE} questions within a minute. "
            "Wait for the next minute, so that others get their turn."
        )


@dataclass
class Answer:
    """An answer as it grows, event by event (see `training_workers.serving.wire`)."""

    question: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    text: str = ""
    route: Mapping[str, Any] | None = None
    problem: str = ""
    tokens: int | None = None
    seconds: float | None = None

    @property
    def expert(self) -> Mapping[str, Any] | None:
        """ "id", "name", "owner", "owner_id" of who answers. None: the base, or not known yet."""
        return self.route["expert"] if self.route else None

    @property
    def is_over(self) -> bool:
        return bool(self.problem) or self.tokens is not None

    def take(self, event: Mapping[str, Any]) -> None:
        match event["kind"]:
            case "route":
                self.route = event
            case "token":
                self.text += event["text"]
            case "done":
                self.tokens, self.seconds = event["tokens"], event["seconds"]
            case "error":
                self.fail(event["message"])

    def fail(self, problem: str) -> None:
        self.problem = problem
