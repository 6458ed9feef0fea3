from celery import shared_task

from mosaic_site.notices import mailing


@shared_task
def reconcile() -> None:
    """Mail the notices that are due."""
    mailing.reconcile()
