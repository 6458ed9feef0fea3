from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from mosaic_site.notices.registry import KINDS, immediate_kinds

# Longer than any mail takes to hand over: until then the worker that took it up has it alone.
TRY_AGAIN_AFTER = timedelta(minutes=10)
# As mail servers do: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.4.1
GIVE_UP_AFTER = timedelta(days=5)


class NoticeQuerySet(models.QuerySet["Notice"]):
    def unread(self) -> "NoticeQuerySet":
        return self.filter(read_at=None)

    def unread_first(self) -> "NoticeQuerySet":
        return self.annotate(is_read=Q(read_at__isnull=False)).order_by("is_read", "-pk")

    def due(self, now: datetime) -> "NoticeQuerySet":
        """What is to be mailed: unread, of an immediate kind or older than the last digest hour.

        What was tried in vain is due again after `TRY_AGAIN_AFTER`, until `GIVE_UP_AFTER`; after
        that it stands in the inbox only.
        """
        return (
            self.unread()
            .filter(
                Q(kind__in=immediate_kinds()) | Q(created_at__lt=_last_digest_hour(now)),
                Q(mail_tried_at=None) | Q(mail_tried_at__lte=now - TRY_AGAIN_AFTER),
                mailed_at=None,
                created_at__gt=now - GIVE_UP_AFTER,
                member__is_active=True,
            )
            .exclude(member__email="")
        )

    def undelivered(self, now: datetime) -> "NoticeQuerySet":
        """What was tried, is not mailed, and is no longer in the hands of the one who tried."""
        return self.unread().filter(mailed_at=None, mail_tried_at__lte=now - TRY_AGAIN_AFTER)


class Notice(models.Model):
    """One sentence for one member about one event, with the address where it is seen.

    `key` names the event ("round.12.opened"): nobody is told of it twice.
    """

    member = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices"
    )
    kind = models.CharField(max_length=60)
    text = models.TextField()
    url = models.CharField(max_length=240)
    key = models.CharField(max_length=120)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)
    # When a worker last took it up to mail it, and when the mail server had it.
    mail_tried_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "key"], name="notice_once_a_member")
        ]
        indexes = [
            models.Index(fields=["member"], condition=Q(read_at=None), name="notice_unread"),
            models.Index(
                fields=["created_at"],
                condition=Q(read_at=None, mailed_at=None),
                name="notice_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return self.text

    def get_absolute_url(self) -> str:
        """Where it is opened: that marks it read and leads on to `url`."""
        return reverse("notices:open", args=[self.pk])

    @property
    def is_immediate(self) -> bool:
        return self.kind in immediate_kinds()

    @property
    def kind_name(self) -> str:
        kind = KINDS.get(self.kind)
        return kind.name if kind else self.kind


def _last_digest_hour(now: datetime) -> datetime:
    """The latest past time at which a day's notices are gathered, in the site's time zone."""
    local = timezone.localtime(now)
    hour = local.replace(hour=settings.MOSAIC_DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return hour if hour <= local else hour - timedelta(days=1)
