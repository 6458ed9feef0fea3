from celery import shared_task

from contributions import actions


@shared_task
def reconcile() -> None:
    """Check what waits for checking."""
    actions.reconcile()
