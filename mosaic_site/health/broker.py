"""Redis, and those who talk through it: the workers of each queue, and beat."""

import time
from collections.abc import Iterator

import redis
from django.conf import settings

from mosaic_site import heartbeats
from mosaic_site.health.registry import Finding, error, ok, warning

OLDEST_REDIS = (6, 2)  # LPOP with a count
SKEW_SECONDS = 5.0


def redis_server() -> Iterator[Finding]:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2
        ) as client:
            facts = client.info()
            seconds, _ = client.time()
    except (redis.RedisError, OSError) as reason:
        yield error(
            f"Redis does not answer: {reason}",
            "Nothing is trained, counted or answered, and open pages do not move. Nothing is lost: "
            "it goes on when Redis is back.",
            "Start it, and see that REDIS_URL names the right host and port.",
        )
        return
    version = str(facts["redis_version"])
    if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
        yield error(
            f"Redis {version} is too old.",
            "The serving process takes questions with a command that came with 6.2.",
            "Upgrade to Redis 6.2 or later, or to Valkey.",
        )
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if facts.get("maxmemory") and policy != "noeviction":
        yield warning(
            f"Redis throws things away when its memory is full ({policy}).",
            "Questions to the model and messages to workers get lost.",
            "Set maxmemory-policy to noeviction.",
        )
    if facts.get("rdb_last_bgsave_status") not in (None, "ok") or facts.get("loading"):
        yield error(
            "Redis could not save its data, or is loading it.",
            "It refuses to be written to meanwhile, so no work is handed out.",
            "See that its disk has room, or turn saving off: rows are the truth here, and nothing "
            "in Redis need outlive a restart.",
        )
    skew = time.time() - seconds
    if abs(skew) > SKEW_SECONDS:
        yield warning(
            f"This machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} "
            "Redis's.",
            "Questions to the model that come from a machine with another time look given up.",
            "Have all machines set their clocks by NTP, for example with chrony.",
        )
    yield ok(f"Redis {version} answers; it uses {facts['used_memory_human']} of memory.")


def workers() -> Iterator[Finding]:
    """Whether somebody listens to each queue that tasks are sent to."""
    heard = heartbeats.heard(heartbeats.WORKER)
    for queue in sorted(queues()):
        names = [sign.name for sign in heard if queue in sign.facts["queues"]]
        if names:
            yield ok(f"Queue {queue}: {len(names)} alive ({', '.join(names)}).")
        else:
            yield error(
                f"Nobody works on the queue {queue}.",
                "Nothing is trained or composed."
                if queue == "gpu"
                else "What is to be done in it waits.",
                f"Start one: celery -A mosaic_site.celery worker -Q {queue}. If one runs, it "
                "hangs or reaches another Redis: restart it and read its log.",
            )


def queues() -> set[str]:
    """The queues that tasks are sent to."""
    routes = settings.CELERY_TASK_ROUTES.values()
    return {settings.CELERY_TASK_DEFAULT_QUEUE, *(route["queue"] for route in routes)}


def beat() -> Iterator[Finding]:
    heard = heartbeats.heard(heartbeats.BEAT)
    names = ", ".join(sign.name for sign in heard)
    if not heard:
        yield error(
            "Beat does not tick.",
            "No round opens or closes, and what was lost is not done again.",
            "Start it: celery -A mosaic_site.celery beat.",
        )
    elif len(heard) > 1:
        yield warning(
            f"{len(heard)} beats tick ({names}).",
            "Nothing is done twice, but everything is asked for twice.",
            "Stop all but one.",
        )
    else:
        yield ok(f"Beat ticks ({names}).")
