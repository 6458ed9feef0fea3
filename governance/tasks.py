from celery import shared_task

from governance import actions


@shared_task
def reconcile() -> None:
    """Close the rounds whose time is over."""
    actions.reconcile()
