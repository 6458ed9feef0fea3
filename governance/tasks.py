from celery import shared_task

from governance import actions, mailing


@shared_task
def reconcile() -> None:
    """Move on the rounds as the clock says."""
    actions.reconcile()


@shared_task
def explain() -> None:
    """Say of one more loser what it lacked."""
    actions.losers_explain()


@shared_task(autoretry_for=(OSError,), retry_backoff=True, max_retries=5, ignore_result=True)
def mail_receipt(member: int, round_: int, receipt: str) -> None:
    """Mail a voter the receipt of a ballot."""
    mailing.mail_receipt(member=member, round_=round_, receipt=receipt)
