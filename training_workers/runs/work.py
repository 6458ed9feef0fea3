"""What a `gpu` worker does with a message: take the next job and see it through."""

import logging
import os
import signal
import socket
from contextlib import suppress
from typing import Any

import billiard
from celery.signals import worker_shutting_down
from django.db import DatabaseError, InterfaceError, OperationalError
from safetensors import SafetensorError

from mosaic_site.errors import Refused, disk_is_full
from training_workers.actions import (
    job_acknowledge_cancel,
    job_claim_next,
    job_fail,
    job_hand_back,
    job_wait_for_room,
)
from training_workers.engine.adapters import AdapterError
from training_workers.engine.base_facts import BaseError
from training_workers.engine.training import Cancelled, TrainingError
from training_workers.models import Job
from training_workers.runs.compose import NothingToCompose, compose
from training_workers.runs.examine import examine
from training_workers.runs.heartbeat import Heartbeat
from training_workers.runs.train import train
from training_workers.work_folders import clear_work

logger = logging.getLogger(__name__)

# What can go wrong for reasons that the data, the recipe, the base or the machine give.
EXPECTED = (
    TrainingError,
    BaseError,
    AdapterError,
    NothingToCompose,
    SafetensorError,
    OSError,
    MemoryError,
    ValueError,
    Refused,
    RuntimeError,
)
# What only a mistake in the code raises. The job ends with that reason at once, instead of being
# tried again and given up as if its workers had died.
MISTAKES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    DatabaseError,
    LookupError,
    TypeError,
)


@worker_shutting_down.connect
def tell_children(**_: Any) -> None:
    """A worker that is told to end waits for its job; this has the job end at its next step."""
    for child in billiard.active_children():
        with suppress(ProcessLookupError):
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)


def work() -> bool:
    """Take the next job, if one waits, and do it. Returns whether there was one."""
    job = job_claim_next(worker=f"{socket.gethostname()}:{os.getpid()}")
    if job is None:
        return False
    heartbeat = Heartbeat(job)
    try:
        with heartbeat:
            if job.kind == Job.Kind.TRAIN:
                assert job.expert is not None
                do = examine if job.expert.is_brought else train
                do(job, job.expert, heartbeat)
            else:
                assert job.release is not None
                compose(job, job.release, heartbeat)
    except Cancelled:
        if heartbeat.leaving:
            job_hand_back(job=job)
        else:
            job_acknowledge_cancel(job=job)
    except (OperationalError, InterfaceError):
        # The database went away: whatever was not written is taken up again from the checkpoint.
        logger.exception("job %s lost its database", job.pk)
        raise
    except EXPECTED as error:
        if disk_is_full(error):
            logger.exception("job %s finds the disk full", job.pk)
            job_wait_for_room(job=job)
        else:
            logger.exception("job %s failed", job.pk)
            job_fail(job=job, reason=str(error) or type(error).__name__)
    except MISTAKES as error:
        job_fail(
            job=job,
            reason=f"The worker made a mistake ({type(error).__name__}: {error}). "
            "An operator finds more in its log.",
        )
        raise
    clear_work()
    return True
