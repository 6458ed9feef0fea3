from celery import shared_task

from contributions import actions


@shared_task
def reconcile() -> None:
    """Tidy up after uploads, then check what waits for checking."""
    actions.reconcile_uploads()
    actions.reconcile()
