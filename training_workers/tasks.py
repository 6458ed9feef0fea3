from celery import shared_task

from training_workers import actions


@shared_task
def reconcile() -> None:
    """Start what is approved or ratified, and take up what fell silent."""
    actions.reconcile()


@shared_task
def erase() -> None:
    """Erase the files of experts that were withdrawn long enough ago."""
    actions.erase()


@shared_task
def tidy() -> None:
    """Drop from this machine what has ended or was erased. Sent to every worker."""
    actions.machine_tidy()


@shared_task
def work() -> None:
    """Take the next job of the `gpu` queue."""
    from training_workers.runs.work import work as take_next  # torch, for gpu workers only

    take_next()
