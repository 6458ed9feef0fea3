"""The only way a view gets a notice. What is not yours does not exist."""

from django.contrib.auth.models import AnonymousUser
from django.shortcuts import get_object_or_404

from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice, NoticeQuerySet

MOST_COUNTED = 99


def notices_of(person: User) -> NoticeQuerySet:
    return Notice.objects.filter(member=person)


def notice_of(person: User, pk: int) -> Notice:
    return get_object_or_404(notices_of(person), pk=pk)


def unread_count(person: User | AnonymousUser) -> str:
    """How many are unread, for a menu: empty for none, "99+" for more than 99."""
    if not isinstance(person, User):
        return ""
    count = notices_of(person).unread()[: MOST_COUNTED + 1].count()
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")
