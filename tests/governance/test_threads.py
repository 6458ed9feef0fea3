"""Who is told that a discussion goes on, and how much one member may write in an hour."""

import uuid
from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from governance.models import Comment, Proposal, ProposalVersion, Report
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.factories import make_user
from tests.governance.conftest import CLOCK, page, signed_in
from tests.governance.makers import make_comment, make_proposal

pytestmark = pytest.mark.django_db


def post(person: User, name: str, *args: int, **data: str) -> str:
    url = reverse(f"governance:{name}", args=args)
    response = signed_in(person).post(url, {"once": uuid.uuid4()} | data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def told(person: User) -> int:
    return Notice.objects.filter(kind="comment.added", member=person).count()


def digest_hour() -> datetime:
    """The next one that is a day away from none."""
    hour = timezone.localtime().replace(hour=7, minute=0, second=0, microsecond=0)
    return hour + timedelta(days=1)


def test_a_thread_tells_those_who_are_part_of_it_once_a_digest() -> None:
    author, writer, reader = make_user(), make_user(), make_user()
    proposal = make_proposal(author, title="Shall we?")
    CLOCK.forward_to(digest_hour())
    post(writer, "comment_add", proposal.pk, text="Yes.")
    assert (told(author), told(writer), told(reader)) == (1, 0, 0)
    post(writer, "comment_add", proposal.pk, text="Certainly.")
    post(author, "comment_add", proposal.pk, text="Thank you.")
    post(reader, "comment_add", proposal.pk, text="Why?")
    assert (told(author), told(writer), told(reader)) == (1, 1, 0)
    notice = Notice.objects.get(kind="comment.added", member=writer)
    assert notice.text == "There is something new in the discussion of “Shall we?”."
    assert notice.url == f"{proposal.get_absolute_url()}#discussion"
    assert not notice.is_immediate

    CLOCK.forward_to(digest_hour())
    post(reader, "comment_add", proposal.pk, text="Still: why?")
    assert (told(author), told(writer), told(reader)) == (2, 2, 0)


def test_a_muted_thread_tells_nothing_until_it_is_heard_again() -> None:
    author, writer = make_user(), make_user()
    proposal, other = make_proposal(author), make_proposal(author)
    assert "Mute this thread" in page(author, "proposal_detail", proposal.pk)
    assert "Mute this thread" not in page(writer, "proposal_detail", proposal.pk)
    for _ in range(2):
        html = post(author, "thread_mute", proposal.pk, muted="yes")
    assert "You are no longer told" in html
    make_comment(writer, proposal)
    assert told(author) == 0
    make_comment(writer, other)
    assert told(author) == 1
    for _ in range(2):
        html = post(author, "thread_mute", proposal.pk, muted="no")
    assert "Mute this thread" in html
    make_comment(writer, proposal)
    assert told(author) == 2


def test_proposals_and_changes_are_limited_together(settings: Settings) -> None:
    settings.MOSAIC_PROPOSALS_AN_HOUR = 2
    author = make_user()
    proposal = make_proposal(author)
    post(author, "proposal_edit", proposal.pk, title="Another title?", text="")
    refusal = "You sent 2 proposals and changes in an hour, which is the most."
    edit = {"title": "A third title?", "text": ""}
    assert refusal in post(author, "proposal_edit", proposal.pk, **edit)
    asked = edit | {"kind": "question", "threshold": "1/2"}
    once = "6f1c1a4e-51d3-4f6c-b6cb-6d0f5e1c2a11"
    html = post(author, "proposal_new", **asked, once=once)
    assert refusal in html
    assert "A third title?" in html  # what was typed is still there
    assert (Proposal.objects.count(), ProposalVersion.objects.count()) == (1, 2)
    make_proposal(make_user())  # others may
    CLOCK.forward_to(timezone.now() + timedelta(hours=1))
    assert "is published" in post(author, "proposal_new", **asked, once=once)


def test_reports_are_limited(settings: Settings) -> None:
    settings.MOSAIC_REPORTS_AN_HOUR = 2
    reporter, proposal = make_user(), make_proposal(make_user())
    for number in range(3):
        comment = make_comment(make_user(), proposal)
        html = post(reporter, "comment_report", comment.pk, ground="spam", reason="It sells.")
        assert ("You sent 2 reports in an hour" in html) == (number == 2)
    assert Report.objects.count() == 2
    assert Comment.objects.count() == 3
