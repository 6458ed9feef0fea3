"""A job's way through the queue: claimed, reported on, finished, cancelled, taken up again."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from contributions.actions import expert_begin_training, expert_cancel, expert_fail
from contributions.models import Expert
from mosaic_site import clock, live
from mosaic_site.errors import Refused
from mosaic_site.ledger.chain import record
from mosaic_site.members.models import User
from training_workers.actions.releases import release_fail
from training_workers.models import Job, JobEvent
from training_workers.models.job import JOB_LIFECYCLE, MEASURED
from training_workers.scheduling import Queue

ROOM_AGAIN_AFTER = timedelta(minutes=2)
"""When a job that found its worker's disk full is tried again."""


def _locked(job_id: int) -> Job:
    return Job.objects.select_for_update().get(pk=job_id)


def _say(job: Job, kind: str, data: Mapping[str, Any] | None = None) -> None:
    """Append an event. The caller holds the row's lock and saves it."""
    job.last_sequence += 1
    JobEvent.objects.create(
        job=job, sequence=job.last_sequence, kind=kind, data=dict(data or {}), at=timezone.now()
    )
    live.announce(f"job.{job.pk}")


def _move(job: Job, target: str, *, reason: str = "") -> None:
    JOB_LIFECYCLE.require(job.status, target)
    job.status, job.reason = target, reason
    if target in {Job.Status.DONE, Job.Status.FAILED, Job.Status.CANCELLED}:
        job.finished_at = timezone.now()
    _say(job, target, {"reason": reason} if reason else None)
    job.save()
    live.announce("jobs")


def job_claim_next(*, worker: str) -> Job | None:
    """Take the next job of the queue for a worker, or None where nothing waits.

    Messages carry no job: whoever is free takes what is next, so a message that comes twice or
    never changes nothing.
    """
    for job_id in Queue().ready:
        with transaction.atomic():
            locked = Job.objects.select_for_update(skip_locked=True, of=("self",))
            job = locked.filter(pk=job_id, status=Job.Status.QUEUED).first()
            if job is None:
                continue  # another worker was quicker
            job.attempt += 1
            job.progress = {}  # of the attempt before
            job.worker, job.heartbeat_at, job.not_before = worker, clock.now(), None
            job.begun_at = timezone.now()
            job.started_at = job.started_at or job.begun_at
            _move(job, Job.Status.RUNNING)
            if job.expert is not None and job.expert.status == Expert.Status.APPROVED:
                expert_begin_training(expert=job.expert)
        return job
    return None


def job_beat(*, job: Job) -> bool:
    """Say that the worker lives. Returns whether the job is still this worker's to do.

    False: somebody asked to cancel it, or it was given to another worker.
    """
    Job.objects.filter(pk=job.pk, attempt=job.attempt).update(heartbeat_at=clock.now())
    return Job.objects.filter(
        pk=job.pk, attempt=job.attempt, status=Job.Status.RUNNING, cancel_requested=False
    ).exists()


def job_report(*, job: Job, kind: str, data: Mapping[str, Any]) -> None:
    """Append an event; `progress` ones are also the job's newest progress."""
    with transaction.atomic():
        row = _locked(job.pk)
        if row.attempt != job.attempt or row.status != Job.Status.RUNNING:
            return
        if kind == "progress":
            row.progress = dict(data)
            row.measured |= {name: data[name] for name in MEASURED if data.get(name) is not None}
        row.heartbeat_at = clock.now()
        _say(row, kind, data)
        row.save(update_fields=["progress", "measured", "heartbeat_at", "last_sequence"])


def job_finish(*, job: Job) -> None:
    """The work is done. The caller writes its outcome in the same transaction."""
    with transaction.atomic():
        row = _locked(job.pk)
        if row.attempt != job.attempt or row.status != Job.Status.RUNNING:
            raise Refused("This job was taken from its worker.")
        _move(row, Job.Status.DONE)


def job_fail(*, job: Job, reason: str) -> None:
    """Give a job up, with a reason that its page and the ledger show.

    Does nothing where the job is not this worker's any more: it goes on elsewhere, or has ended.
    """
    with transaction.atomic():
        row = _locked(job.pk)
        if row.attempt != job.attempt or row.status != Job.Status.RUNNING:
            return
        _move(row, Job.Status.FAILED, reason=reason)
        if row.expert is not None and row.expert.status == Expert.Status.TRAINING:
            expert_fail(expert=row.expert, reason=reason)
        if row.release is not None:
            release_fail(release=row.release, reason=reason)
        # Last: whoever appends to the ledger holds its end, and must wait for no other row.
        record(actor=None, action="job.failed", subject=row, reason=reason)


def job_cancel(*, actor: User, job: Job, reason: str = "") -> Job:
    """Ask for a job to be stopped. One that waits stops now; one that runs, at its next step."""
    with transaction.atomic():
        row = _locked(job.pk)
        if not row.is_active:
            raise Refused(f"This job is {row.status} already, so there is nothing to cancel.")
        if row.kind != Job.Kind.TRAIN:
            raise Refused("Composing a ratified release is not cancelled; roll back afterwards.")
        if row.cancel_requested:
            raise Refused("This job was asked to stop already; it does so at its next step.")
        # No name: it would stay in the ledger when its bearer has left.
        owns = row.expert is not None and row.expert.owner_id == actor.pk
        who = "Its owner" if owns else "A steward"
        _ask_to_stop(row, actor, reason, f"{who} cancelled it.")
    return row


def job_prioritise(*, steward: User, job: Job, priority: int, reason: str) -> Job:
    """Let a waiting job go before all others, behind them, or in its turn again."""
    priority = Job.Priority(priority)
    if not reason.strip():
        raise Refused("Give a public reason: others wait longer or shorter for it.")
    with transaction.atomic():
        row = _locked(job.pk)
        if row.status != Job.Status.QUEUED:
            raise Refused(f"This job is {row.status} already, so its place cannot be changed.")
        if row.priority == priority:
            raise Refused(f"It stands {priority.label} already.")
        row.priority, row.priority_reason = priority, reason.strip()
        _say(row, f"put {priority.label}", {"reason": row.priority_reason})
        row.save()
        record(
            actor=steward,
            action="job.prioritised",
            subject=row,
            reason=row.priority_reason,
            data={"priority": priority.label},
        )
        live.announce("jobs")
    return row


def job_stop_for_leaver(*, job_id: int) -> None:
    """Stop the training of an expert that was withdrawn."""
    with transaction.atomic():
        row = _locked(job_id)
        left = row.expert is not None and row.expert.status == Expert.Status.WITHDRAWN
        if row.is_active and left and not row.cancel_requested:
            _ask_to_stop(row, None, "Its expert was withdrawn.")


def _ask_to_stop(row: Job, actor: User | None, reason: str, otherwise: str = "") -> None:
    """The caller holds the row's lock. `otherwise`: what its page says without a reason."""
    row.cancel_requested, row.cancelled_by = True, actor
    row.cancel_reason = reason or otherwise
    record(actor=actor, action="job.cancel_requested", subject=row, reason=reason)
    if row.status == Job.Status.QUEUED:
        _cancelled(row)
    else:
        _say(row, "cancel requested")
        row.save()


def job_acknowledge_cancel(*, job: Job) -> None:
    """The worker has stopped."""
    with transaction.atomic():
        row = _locked(job.pk)
        if row.attempt == job.attempt and row.status == Job.Status.RUNNING and row.cancel_requested:
            _cancelled(row)


def _cancelled(row: Job) -> None:
    _move(row, Job.Status.CANCELLED, reason=row.cancel_reason)
    if row.expert is not None and row.expert.status != Expert.Status.WITHDRAWN:
        expert_cancel(actor=row.cancelled_by, expert=row.expert, reason=row.cancel_reason)


def job_hand_back(*, job: Job) -> None:
    """The worker was told to stop, as for an upgrade: the job goes back into the queue.

    It counts as nobody's failure, however often it happens.
    """
    _give_back(job, f"The worker {job.worker} was stopped; the job goes on from its checkpoint.")


def job_wait_for_room(*, job: Job) -> None:
    """The worker's disk is full: the job goes back into the queue, for in a while."""
    _give_back(
        job,
        f"The disk of the worker {job.worker} is full. The job is tried again every "
        f"{ROOM_AGAIN_AFTER.total_seconds() / 60:.0f} minutes and goes on from its checkpoint "
        "once there is room.",
        wait=ROOM_AGAIN_AFTER,
    )


def _give_back(job: Job, reason: str, wait: timedelta = timedelta(0)) -> None:
    with transaction.atomic():
        row = _locked(job.pk)
        if row.attempt != job.attempt or row.status != Job.Status.RUNNING:
            return
        if row.cancel_requested:
            _cancelled(row)
            return
        row.not_before = clock.now() + wait if wait else None
        _move(row, Job.Status.QUEUED, reason=reason)
        live.nudge("training_workers")


def job_take_up_again(*, job_id: int, attempts: int) -> None:
    """A worker fell silent: queue its job anew, or give it up after `attempts` silences."""
    with transaction.atomic():
        row = _locked(job_id)
        if not Job.objects.silent().filter(pk=row.pk).exists():
            return
        if row.cancel_requested:
            _cancelled(row)
            return
        row.lost += 1
        row.save(update_fields=["lost"])
        if row.lost >= attempts:
            job_fail(
                job=row,
                reason=f"The worker stopped without a word {row.lost} times, most likely for "
                "want of memory. An operator finds more in its log.",
            )
        else:
            reason = f"The worker {row.worker} fell silent; the job goes on from its checkpoint."
            _move(row, Job.Status.QUEUED, reason=reason)
            record(actor=None, action="job.requeued", subject=row, reason=reason)
