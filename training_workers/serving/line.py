"""The line of those who ask, in Redis: fair by asker, and nothing lost between two keys.

The place of a question is one behind the asker's last one, or behind whoever was taken last
(start-time fair queueing, Goyal et al. 1996): fifty questions of one asker and one of another are
taken as one, one, and then the forty-nine. Each change of the line is one script, which Redis runs
as a whole.
"""

import json
import time
import uuid
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any, cast

import redis
from redis import asyncio as async_redis

from training_workers.serving.wire import (
    ALIVE_SECONDS,
    MOST_OF_ONE_WAITING,
    MOST_WAITING,
    PATIENCE_SECONDS,
    QUESTIONS,
    Asked,
    alive_key,
    answer_key,
)

# What is asked, by the names in QUESTIONS; the place of whoever was taken last; a word for each
# question, so that whoever serves can wait for one.
BODIES = f"{QUESTIONS}:asked"
TURN = f"{QUESTIONS}:turn"
BELL = f"{QUESTIONS}:bell"

# A name is an id, a space and the asker. Scripts answer how many waited, or -1 and -2 where the
# line or the asker's part of it is full.
_JOIN = """
local waiting = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local last = tonumber(redis.call('GET', KEYS[3]) or '0')
local own = 0
for at = 1, #waiting, 2 do
    if string.match(waiting[at], ' (.*)$') == ARGV[2] then
        own = own + 1
        last = math.max(last, tonumber(waiting[at + 1]))
    end
end
if #waiting / 2 >= tonumber(ARGV[4]) then return -1 end
if own >= tonumber(ARGV[5]) then return -2 end
local name = ARGV[1] .. ' ' .. ARGV[2]
redis.call('ZADD', KEYS[1], last + 1, name)
redis.call('HSET', KEYS[2], name, ARGV[3])
redis.call('XADD', KEYS[5], '*', 'event', '{"kind": "waiting"}')
redis.call('EXPIRE', KEYS[5], ARGV[6])
redis.call('RPUSH', KEYS[4], '1')
redis.call('LTRIM', KEYS[4], 0, ARGV[4] - 1)
return #waiting / 2
"""
_LEAVE = """
redis.call('DEL', KEYS[3])
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""
_TAKE = """
redis.call('SET', KEYS[4], '1', 'EX', ARGV[6])
local busy = {}
for at = 7, #ARGV, 2 do busy[ARGV[at]] = tonumber(ARGV[at + 1]) end
local taken = {}
local waiting = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for at = 1, #waiting, 2 do
    if #taken >= 2 * tonumber(ARGV[2]) then break end
    local name = waiting[at]
    local id, asker = string.match(name, '^(%S+) (.*)$')
    local count = busy[asker] or 0
    if count < tonumber(ARGV[3]) then
        local body = redis.call('HGET', KEYS[2], name)
        redis.call('ZREM', KEYS[1], name)
        redis.call('HDEL', KEYS[2], name)
        -- Whoever has no answer to read any more has left.
        if body and redis.call('EXISTS', ARGV[4] .. id) == 1 then
            busy[asker] = count + 1
            redis.call('SET', KEYS[3], waiting[at + 1])
            local event = cjson.encode({kind = 'taken', by = ARGV[1]})
            redis.call('XADD', ARGV[4] .. id, '*', 'event', event)
            redis.call('EXPIRE', ARGV[4] .. id, ARGV[5])
            table.insert(taken, id)
            table.insert(taken, body)
        end
    end
end
if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('DEL', KEYS[5]) end
return taken
"""


class Full(Exception):
    """No more may wait; `own`: of this asker."""

    def __init__(self, own: bool) -> None:
        super().__init__(own)
        self.own = own


class Place:
    """A question in the line: its id, by which it is answered, and who asks."""

    def __init__(self, asked: Asked) -> None:
        # In the order of asking, which is that of those with the same place.
        self.id = f"{time.time():.6f}-{uuid.uuid4().hex}"
        # Who has no name is somebody new each time.
        self.asker = asked.asker or self.id
        self._body = json.dumps(asked.to_json())

    async def join(self, connection: "async_redis.Redis", again: bool = False) -> None:
        """Wait in the line. Raises Full, unless it was taken before and is asked `again`."""
        most = (10**9, 10**9) if again else (MOST_WAITING, MOST_OF_ONE_WAITING)
        keys = (QUESTIONS, BODIES, TURN, BELL, answer_key(self.id))
        found = await cast(
            Awaitable[int],
            connection.eval(
                _JOIN, len(keys), *keys, self.id, self.asker, self._body, *most, PATIENCE_SECONDS
            ),
        )
        if found < 0:
            raise Full(own=found == -2)

    async def leave(self, connection: "async_redis.Redis") -> None:
        """Wait no more, and let go of the answer: who writes it sees that nobody reads it."""
        keys = (QUESTIONS, BODIES, answer_key(self.id))
        name = f"{self.id} {self.asker}"
        await cast(Awaitable[int], connection.eval(_LEAVE, len(keys), *keys, name))


def take(
    connection: "redis.Redis",
    taker: str,
    *,
    most: int,
    most_of_one: int,
    in_hand: Mapping[str, int],
) -> Iterator[tuple[str, Asked]]:
    """Take at most `most` questions by their turns, and tell each asker that `taker` has it.

    No asker gets more than `most_of_one` together with those that the taker has `in_hand` already;
    further ones keep their places.
    """
    keys = (QUESTIONS, BODIES, TURN, alive_key(taker), BELL)
    counts = [part for pair in in_hand.items() for part in pair]
    found: Any = connection.eval(
        _TAKE,
        len(keys),
        *keys,
        taker,
        most,
        most_of_one,
        answer_key(""),
        PATIENCE_SECONDS,
        ALIVE_SECONDS,
        *counts,
    )
    for at in range(0, len(found), 2):
        yield found[at], Asked.of_json(json.loads(found[at + 1]))


def wait_for_one(connection: "redis.Redis", seconds: float) -> None:
    """Return as soon as somebody has joined the line, or after `seconds`."""
    connection.blpop([BELL], timeout=seconds)
