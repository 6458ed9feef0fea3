"""The one mail that is sent from no row: a voter's receipt."""

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from governance.models import Round
from mosaic_site.members.models import User


def mail_receipt(*, member: int, round_: int, receipt: str) -> None:
    voter, voted_in = User.objects.get(pk=member), Round.objects.get(pk=round_)
    context = {
        "voter": voter,
        "round": voted_in,
        "receipt": receipt,
        "site": settings.MOSAIC_URL,
        "community": settings.MOSAIC_COMMUNITY,
    }
    EmailMessage(
        subject=f"[{settings.MOSAIC_COMMUNITY}] The receipt of your ballot",
        body=render_to_string("governance/receipt_mail.txt", context),
        to=[voter.email],
        headers={"Auto-Submitted": "auto-generated"},
    ).send()
