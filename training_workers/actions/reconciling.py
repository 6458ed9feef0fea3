"""The rows say what must be done; this sees to it that it is, whatever message was lost."""

from datetime import datetime
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction

from contributions.models import Expert
from governance.models import Decision
from mosaic_site.lateness import late
from mosaic_site.ledger.chain import record
from mosaic_site.ledger.models import Entry
from training_workers.actions.jobs import job_stop_for_leaver, job_take_up_again
from training_workers.actions.releases import (
    release_compose,
    release_compose_the_rest,
    release_rebuild,
)
from training_workers.models import Job, Release
from training_workers.scheduling import Queue

WORK = "training_workers.tasks.work"
APPROVALS = ("expert.approved", "expert.admitted")


def reconcile() -> None:
    """Start what is approved or ratified, take up what fell silent, and wake the workers."""
    approved = Expert.objects.filter(status=Expert.Status.APPROVED).order_by("submitted_at")
    for expert_id in approved.values_list("pk", flat=True):
        queue_training(expert_id=expert_id)
    undone = Decision.objects.ratified().filter(releases__isnull=True)
    for decision in undone.order_by("created_at"):
        if decision.winner_ids:
            _queue_composing(decision)
    _go_on_without_leavers()
    for job_id in Job.objects.silent().values_list("pk", flat=True):
        job_take_up_again(job_id=job_id, attempts=settings.MOSAIC_JOB_ATTEMPTS)
    wake_workers()


def _go_on_without_leavers() -> None:
    """Stop their training, and compose without them what was composed, or was to be, with them."""
    training = Job.objects.active().filter(expert__status=Expert.Status.WITHDRAWN)
    for job_id in training.values_list("pk", flat=True):
        job_stop_for_leaver(job_id=job_id)
    for release in Release.objects.live():
        release_rebuild(release=release)
    newest = Release.objects.first()
    if newest is not None and newest.status == Release.Status.FAILED:
        release_compose_the_rest(release=newest)


def queue_training(*, expert_id: int) -> None:
    """Queue the training of an expert, if it is approved still and no job of it is under way."""
    with transaction.atomic():
        # The lock makes reconciles wait for each other, and for a cancel that is quicker.
        expert = Expert.objects.select_for_update().get(pk=expert_id)
        if expert.status == Expert.Status.APPROVED and not expert.jobs.active().exists():
            job = Job.objects.create(kind=Job.Kind.TRAIN, expert=expert)
            if reason := late(_approved_at(expert)):
                record(actor=None, action="job.queued_late", subject=job, reason=reason)


def _approved_at(expert: Expert) -> datetime:
    """As the ledger has it; the row does not say when its state changed."""
    about = Entry.objects.filter(
        subject_kind=expert._meta.label_lower, subject_id=str(expert.pk), action__in=APPROVALS
    )
    return about.values_list("at", flat=True).first() or expert.submitted_at


def _queue_composing(decision: Decision) -> None:
    try:
        release_compose(decision=decision)
    except IntegrityError:
        # Another reconcile was quicker, with this decision or with the number.
        return


def wake_workers() -> None:
    """See that the `gpu` queue holds at least one message for each job that may be taken."""
    waiting = len(Queue().ready)
    if not waiting:
        return
    with current_app.connection_for_write() as connection:
        channel: Any = connection.default_channel
        queue = channel.queue_declare("gpu", passive=False, durable=True)
    for _ in range(waiting - queue.message_count):
        current_app.send_task(WORK)
