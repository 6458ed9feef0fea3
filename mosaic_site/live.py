"""Live events. Rows are the truth; what is sent here is only a hint to look at them again.

A hint that is lost costs nothing: a page that reconnects renders the rows anew, and each app's
periodic `reconcile` starts whatever a lost message left undone.
"""

import logging
from typing import Any

from asgiref.sync import async_to_sync
from celery import current_app
from channels.layers import get_channel_layer
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def announce(group: str) -> None:
    """After the commit, tell the pages that watch `group` (for example `job.12`) to look again."""
    transaction.on_commit(lambda: _hint(group))


def nudge(app: str, task: str = "reconcile") -> None:
    """After the commit, ask `app` ("governance", say) to reconcile now, not at the next tick."""
    send(f"{app}.tasks.{task}")


def send(task: str, *arguments: Any) -> None:
    """After the commit, have a worker run `task`. Where the broker is away it does not run."""
    transaction.on_commit(lambda: _send(task, arguments))


def _hint(group: str) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(group, {"type": "look.again"})
    except (RedisError, OSError) as error:
        logger.warning("no hint sent to %s: %s", group, error)


def _send(task: str, arguments: tuple[Any, ...]) -> None:
    try:
        current_app.send_task(task, args=arguments)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("%s not sent: %s", task, error)
