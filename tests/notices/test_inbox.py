"""The inbox and its count in the menu, as a member sees them."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify
from mosaic_site.notices.models import Notice
from tests.factories import make_user
from tests.notices.makers import DAILY, make_notice

pytestmark = pytest.mark.django_db

INBOX, READ_ALL = reverse("notices:inbox"), reverse("notices:read_all")


@pytest.fixture
def ada(client: Client) -> User:
    member = make_user("ada")
    client.force_login(member)
    return member


def _count(client: Client) -> str:
    """What the menu says, on any page."""
    said = re.search(r"Inbox(?: \((\S+)\))?</a>", client.get("/ledger/").content.decode())
    assert said is not None
    return said[1] or ""


def _newest(client: Client) -> str:
    """What the form on the page sends along."""
    field = re.search(r'name="newest" value="(\d+)"', client.get(INBOX).content.decode())
    assert field is not None
    return field[1]


def test_an_empty_inbox_says_so(client: Client, ada: User) -> None:
    page = client.get(INBOX).content.decode()
    assert "Nothing for you yet" in page and "Mark all" not in page
    assert _count(client) == ""


def test_opening_a_notice_marks_it_read_and_leads_on(client: Client, ada: User) -> None:
    notice = make_notice(ada, text="Your expert <i>is</i> trained.", url="/experts/?state=ready")
    page = client.get(INBOX).content.decode()
    assert "<strong>Your expert &lt;i&gt;is&lt;/i&gt; trained.</strong>" in page
    assert "Somebody answered" in page, "the kind's name"
    assert _count(client) == "1"

    answer = client.get(notice.get_absolute_url())
    assert answer.headers["Location"] == "/experts/?state=ready"
    assert _count(client) == ""
    assert "<strong>Your expert" not in client.get(INBOX).content.decode()

    first_time = Notice.objects.get().read_at
    client.get(notice.get_absolute_url())
    assert Notice.objects.get().read_at == first_time


def test_a_notice_never_leads_off_the_site(client: Client, ada: User) -> None:
    notice = make_notice(ada)
    Notice.objects.update(url="//elsewhere.example/")
    assert client.get(notice.get_absolute_url()).headers["Location"] == INBOX


def test_one_s_notices_are_nobody_else_s(client: Client, ada: User) -> None:
    notice = make_notice(ada)
    for other in (make_user(), make_user(steward=True)):
        client.force_login(other)
        assert client.get(notice.get_absolute_url()).status_code == 404
        assert "Look at this." not in client.get(INBOX).content.decode()
        client.post(READ_ALL, {"newest": notice.pk})
    client.force_login(ada)
    assert _count(client) == "1"


def test_what_came_after_the_page_stays_unread(client: Client, ada: User) -> None:
    make_notice(ada)
    make_notice(ada)
    newest = _newest(client)
    make_notice(ada, text="This is newer.")

    assert client.post(READ_ALL, {"newest": newest}).headers["Location"] == INBOX
    assert _count(client) == "1"
    assert "<strong>This is newer.</strong>" in client.get(INBOX).content.decode()
    client.post(READ_ALL, {"newest": "no number"})
    assert _count(client) == "1"


def test_unread_ones_come_first_whatever_their_age(client: Client, ada: User) -> None:
    make_notice(ada, text="The oldest.")
    client.get(make_notice(ada, text="Read since.").get_absolute_url())
    make_notice(ada, text="The newest.")
    page = client.get(INBOX).content.decode()
    assert page.index("The newest.") < page.index("The oldest.") < page.index("Read since.")


def test_many_notices_take_pages_but_no_more_queries(client: Client, ada: User) -> None:
    def tell(number: int) -> None:
        notify(members=[ada], kind=DAILY, text=f"No. {number}.", url="/", key=f"n.{number}")

    for number in range(2):
        tell(number)
    with CaptureQueriesContext(connection) as few:
        client.get(INBOX)
    for number in range(2, 120):
        tell(number)
    with CaptureQueriesContext(connection) as many:
        page = client.get(INBOX).content.decode()
    assert len(many) == len(few) <= 7
    assert "No. 119." in page and "No. 99." not in page and "?page=2" in page
    assert "No. 99." in client.get(INBOX, {"page": 2}).content.decode()
    assert _count(client) == "99+"


def test_the_count_costs_a_member_one_query_and_a_visitor_none(client: Client, ada: User) -> None:
    for person, counts in ((ada, 1), (None, 0)):
        if person is None:
            client.logout()
        with CaptureQueriesContext(connection) as queries:
            client.get("/ledger/")
        assert sum("notices_notice" in query["sql"] for query in queries) == counts
