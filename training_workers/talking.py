"""A question to the live model and its answer, as the page and the socket both need them."""

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache

from mosaic_site.errors import Refused

LONGEST_QUESTION = 4000
QUESTIONS_A_MINUTE = 30
# A smaller share would be said to be 0 %.
LEAST_SHARE = 0.0005

Expert = Mapping[str, Any]
"""What the serving process says of an expert (see `training_workers.serving.wire`)."""


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


class TooMany(Refused):
    """An asker has asked all that one may within a minute; `retry_after` says how many seconds
    later the next one begins."""

    def __init__(self, most: int) -> None:
        self.retry_after = 60 - int(time.time()) % 60
        super().__init__(
            f"You have asked {most} questions within a minute. "
            "Wait for the next minute, so that others get their turn."
        )


async def count_question(asker: str, questions: int = 1, most: int = QUESTIONS_A_MINUTE) -> None:
    """Count more questions of this minute. Raises TooMany above `most`."""
    key = f"talk.{asker}.{int(time.time()) // 60}"
    asked = questions
    if not await cache.aadd(key, questions, timeout=120):
        asked = await cache.aincr(key, questions)
    if asked > most:
        raise TooMany(most)


@dataclass(frozen=True)
class Share:
    """Whom a part of an answer is owed to; expert None is the base."""

    expert: Expert | None
    share: float


@dataclass
class Word:
    """A word or the space between two; `shares` has the largest first, and is empty where the
    answer as a whole is owed to somebody, not word by word."""

    text: str
    shares: Sequence[Share] = ()


@dataclass
class Answer:
    """An answer as it grows, event by event (see `training_workers.serving.wire`)."""

    question: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    pieces: list[tuple[str, Mapping[str, float]]] = field(default_factory=list)
    route: Mapping[str, Any] | None = None
    problem: str = ""
    tokens: int | None = None
    seconds: float | None = None
    credit: list[Share] = field(default_factory=list)
    steps: Sequence[Mapping[str, Any]] = ()
    generations: float = 1

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)

    @property
    def is_together(self) -> bool:
        """Whether several models take part, as far as is known: nobody answers alone then."""
        if self.route is None or self.route["level"] in {None, "routing"}:
            return False
        if not self.credit or self.route["level"] == "weight":
            return True
        return len(self.credit) > 1 or bool(self.steps)

    @property
    def expert(self) -> Expert | None:
        """Who answers alone. None: the base, several together, or not known yet."""
        if self.route is None or self.is_together:
            return None
        expert: Expert | None = self.credit[0].expert if self.credit else self.route["expert"]
        return expert

    @property
    def is_as_routed(self) -> bool:
        """Whether the one who answers is the one whom the router named."""
        return (
            self.route is not None and not self.is_together and self.expert == self.route["expert"]
        )

    @property
    def is_drafts(self) -> bool:
        """Whether all steps answered the question itself, not a part of it."""
        return all(step["asked"] == self.question for step in self.steps)

    @property
    def last_piece(self) -> Word:
        text, shares = self.pieces[-1]
        return Word(text, self._named(shares))

    @property
    def words(self) -> list[Word]:
        """The text, cut at its spaces; a word is owed to the mean of its pieces' shares."""
        found: list[tuple[str, list[Mapping[str, float]]]] = []
        for text, shares in self.pieces:
            for part in re.findall(r"\s+|\S+", text):
                if found and not part.isspace() and not found[-1][0].isspace():
                    word, of_pieces = found[-1]
                    found[-1] = (word + part, [*of_pieces, shares])
                else:
                    found.append((part, [] if part.isspace() else [shares]))
        return [Word(text, self._named(_mean(of_pieces))) for text, of_pieces in found]

    @property
    def is_shared_by_word(self) -> bool:
        return any(shares for _, shares in self.pieces)

    def _named(self, shares: Mapping[str, float]) -> list[Share]:
        experts = self.route["experts"] if self.route else []
        cards = {"": None, **{str(expert["id"]): expert for expert in experts}}
        named = [Share(cards[model], share) for model, share in shares.items() if model in cards]
        return _owed(named)

    @property
    def is_over(self) -> bool:
        return bool(self.problem) or self.tokens is not None

    def take(self, event: Mapping[str, Any]) -> None:
        match event["kind"]:
            case "route":
                self.route = event
            case "token":
                self.pieces.append((event["text"], event.get("shares", {})))
            case "done":
                self.tokens, self.seconds = event["tokens"], event["seconds"]
                self.credit = _owed([Share(**share) for share in event["credit"]])
                self.steps, self.generations = event["steps"], event["generations"]
            case "error":
                self.fail(event["message"])

    def fail(self, problem: str) -> None:
        self.problem = problem


def _owed(shares: Sequence[Share]) -> list[Share]:
    """Those worth a mention, the largest first."""
    return sorted((one for one in shares if one.share >= LEAST_SHARE), key=lambda one: -one.share)


def _mean(all_shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Each mapping weighs the same."""
    mean: dict[str, float] = {}
    for shares in all_shares:
        for model, share in shares.items():
            mean[model] = mean.get(model, 0.0) + share / len(all_shares)
    return mean
