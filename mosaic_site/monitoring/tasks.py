"""What every Celery task carries and leaves behind: the id of what caused it, its line, its time.

Only listens to Celery's signals. https://docs.celeryq.dev/en/stable/userguide/signals.html
"""

import json
import logging.config
import time
from datetime import UTC, datetime
from typing import Any

import redis
from celery.signals import (
    before_task_publish,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
)
from django.conf import settings

from mosaic_site.monitoring import logs
from mosaic_site.monitoring.measures import TASK_FAILURES, TASKS, connect, send

FAILURES = "mosaic:failures"
MOST_FAILURES = 50

_began: dict[str, float] = {}


@setup_logging.connect
def _ours(**_: Any) -> None:
    """Celery would put its own format over ours."""
    logging.config.dictConfig(settings.LOGGING)


@before_task_publish.connect
def _send_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    if headers is not None and (id_ := logs.request_id()):
        headers.setdefault(logs.REQUEST_ID, id_)


@task_prerun.connect
def _begin(task_id: str, task: Any, **_: Any) -> None:
    about = {"task": task.name, "task_id": task_id}
    if id_ := getattr(task.request, logs.REQUEST_ID, None):
        about[logs.REQUEST_ID] = id_
    logs.begin(**about)
    _began[task_id] = time.perf_counter()


@task_postrun.connect
def _end(task_id: str, task: Any, **_: Any) -> None:
    began = _began.pop(task_id, None)
    if began is not None:
        TASKS.observe(time.perf_counter() - began, task.name)
        # At once: the process may be replaced before the next task.
        send()


@task_failure.connect
def _failed(task_id: str, exception: BaseException, sender: Any, **_: Any) -> None:
    """Kept for the operations page: which task, and what sort of exception. Its text may hold what
    people wrote, so that stays in the log, where the task's id finds it."""
    kind = type(exception).__name__
    TASK_FAILURES.count(sender.name, kind)
    failure = {"task": sender.name, "id": task_id, "exception": kind, "at": time.time()}
    try:
        with connect() as connection, connection.pipeline() as pipeline:
            pipeline.lpush(FAILURES, json.dumps(failure))
            pipeline.ltrim(FAILURES, 0, MOST_FAILURES - 1)
            pipeline.execute()
    except (redis.RedisError, OSError):
        return


def failures() -> list[dict[str, Any]]:
    """The newest failures of tasks, the newest first: `task`, `id`, `exception`, `when`.

    Raises RedisError or OSError.
    """
    with connect() as connection:
        found = [json.loads(text) for text in connection.lrange(FAILURES, 0, -1)]
    return [one | {"when": datetime.fromtimestamp(one["at"], UTC)} for one in found]
