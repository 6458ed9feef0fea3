from celery import shared_task

from contributions import actions


@shared_task
def reconcile() -> None:
    """Tidy up after uploads, check what waits for checking, and see to it that who leaves takes
    along what is theirs."""
    actions.reconcile_uploads()
    actions.reconcile()
    actions.reconcile_leaving()
