"""Whose turn it is. Members take turns: round-robin scheduling among members.

Nagle, On Packet Switches with Infinite Storage (RFC 970, 1985): with a queue a sender, served in
turns, who sends much waits for themselves and for nobody else. Equal jobs so share the workers
max-min fairly. Nothing is remembered but who was served last, so idle workers may be used by
whoever is there, and nobody pays for that later.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

COMMUNITY = None
"""Whose work the composing of releases is: everybody's. It is served first in each round."""

Member = int | None
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Waiting:
    """A job that waits. Of two `ids` the smaller came first."""

    id: int
    member: Member
    priority: int = 0
    # A worker began it and died: it goes on before others, for it has had its turn.
    interrupted: bool = False


def in_turn(
    waiting: Iterable[Waiting], at_work: Mapping[Member, int], served: Mapping[Member, datetime]
) -> list[Waiting]:
    """The order in which workers take what waits, if nothing else comes and nothing ends.

    A job's round is how many of its member's jobs are `at_work` or wait before it. The rounds
    follow each other; in a round whoever was `served` longest ago, or never, is first. What a
    steward put first or last stands before or behind all rounds, in rounds of its own.
    """
    before: Counter[tuple[int, Member]] = Counter()
    places: list[tuple[Any, Waiting]] = []
    for job in sorted(waiting, key=lambda job: job.id):
        round_ = 0
        if not job.interrupted:
            round_ = at_work.get(job.member, 0) + before[job.priority, job.member]
            before[job.priority, job.member] += 1
        # Releases first, whatever was served.
        turn = (round_, job.member is not COMMUNITY, served.get(job.member, _NEVER), job.id)
        places.append(((-job.priority, not job.interrupted, *turn), job))
    return [job for _, job in sorted(places, key=lambda place: place[0])]
