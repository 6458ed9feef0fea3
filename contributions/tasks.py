from celery import shared_task

from contributions import actions


@shared_task
def reconcile() -> None:
    """See to it that who leaves takes along what is theirs."""
    actions.reconcile_leaving()


@shared_task
def check() -> None:
    """Tidy up after uploads and check what waits: minutes of work, on a queue of its own."""
    actions.reconcile_uploads()
    actions.reconcile()
