"""Reports, the stewards' answers, contests, the public policy and log."""

import csv
import io
from datetime import timedelta

import pytest
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from governance.models import Comment, Report
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.factories import make_user
from tests.governance.conftest import CLOCK, page, signed_in
from tests.governance.makers import make_comment, make_proposal

RUDE = "You are all fools"


@pytest.fixture
def steward(db: None) -> User:
    return make_user("steward", steward=True)


@pytest.fixture
def comment(db: None) -> Comment:
    proposal = make_proposal(make_user("proposer"), title="Shall we?")
    return make_comment(make_user("rude"), proposal, text=RUDE)


def post(person: User, name: str, comment: Comment, **data: str) -> HttpResponseBase:
    url = reverse(f"governance:{name}", args=[comment.pk])
    return signed_in(person).post(url, data, follow=True)


def said(answer: HttpResponseBase) -> str:
    assert answer.status_code == 200
    return answer.content.decode()  # type: ignore[attr-defined, no-any-return]


def report(person: User, comment: Comment) -> str:
    return said(post(person, "comment_report", comment, ground="insult", reason="It insults us."))


def answer(steward: User, comment: Comment, found: str = "keep", reason: str = "It does.") -> str:
    return said(post(steward, "comment_answer", comment, found=found, reason=reason))


def contest(comment: Comment) -> str:
    return said(post(comment.author, "comment_report", comment, reason="It was a joke."))


def thread(comment: Comment) -> str:
    return page(None, "proposal_detail", comment.proposal_id)


def log() -> list[dict[str, str]]:
    content = Client().get(reverse("governance:moderation_log")).content.decode()
    assert RUDE not in content
    return list(csv.DictReader(io.StringIO(content)))


def test_a_reported_comment_is_removed_with_a_public_reason(
    steward: User, comment: Comment
) -> None:
    reporters = [make_user(), make_user()]
    for person in reporters:
        assert "The stewards will look at it" in report(person, comment)
    html = page(steward, "moderation_queue")
    assert html.count("insult or threat: It insults us.") == 2
    assert "needs a public reason" in answer(steward, comment, "insult", reason=" ")
    assert RUDE in thread(comment)

    assert "Nothing waits" in answer(steward, comment, "insult")
    html = thread(comment)
    assert RUDE not in html
    assert "Removed by steward, steward. Insult or threat: It does." in html
    assert RUDE not in page(None, "comment_moderation", comment.pk)
    assert set(Report.objects.values_list("answer", flat=True)) == {"removed"}
    told = Notice.objects.filter(kind="comment.answered")
    assert {notice.member for notice in told} == {comment.author, *reporters}
    assert "was removed: It does." in told.get(member=comment.author).text
    (row,) = log()
    assert (row["what"], row["by"], row["ground"]) == ("removed", "steward", "insult")
    assert row["reason"] == "insult or threat: It does."
    assert row["link"].endswith(reverse("governance:comment_moderation", args=[comment.pk]))


def test_a_reported_comment_that_breaks_no_rule_stands(steward: User, comment: Comment) -> None:
    person = make_user()
    report(person, comment)
    answer(steward, comment, reason="It is blunt, no more.")
    assert RUDE in thread(comment)
    assert [row["what"] for row in log()] == ["kept"]
    told = Notice.objects.get(kind="comment.answered", member=comment.author).text
    assert told == "Your comment on “Shall we?” stands: It is blunt, no more."
    assert "You asked about this comment before" in report(person, comment)


def test_a_double_click_reports_and_answers_once(steward: User, comment: Comment) -> None:
    person = make_user()
    for _ in range(2):
        report(person, comment)
    assert Report.objects.count() == 1
    assert Notice.objects.filter(kind="comment.reported", member=steward).count() == 1
    answer(steward, comment, "spam")
    assert "it is as it should be" in answer(steward, comment, "spam")
    assert len(log()) == 1


@pytest.mark.parametrize("data", [{"ground": "insult", "reason": ""}, {"reason": "I dislike it."}])
def test_a_report_names_a_rule_and_says_what_is_wrong(
    comment: Comment, data: dict[str, str]
) -> None:
    assert "This field is required." in said(post(make_user(), "comment_report", comment, **data))
    assert not Report.objects.exists()


def test_only_the_grounds_on_the_list_remove(steward: User, comment: Comment) -> None:
    html = answer(steward, comment, "i_dislike_it")
    assert "Select a valid choice." in html
    assert RUDE in thread(comment)
    policy = page(None, "moderation_policy").lower()
    for ground in ("spam", "insult or threat", "personal data", "off topic", "breaks a law"):
        assert ground in policy
        assert ground in html


def test_a_steward_removes_without_a_report_and_keeps_nothing_unasked(
    steward: User, comment: Comment
) -> None:
    assert "Nobody waits for an answer" in answer(steward, comment)
    answer(steward, comment, "off_topic")
    assert "Off topic: It does." in thread(comment)


def test_members_take_their_own_comments_back(comment: Comment, steward: User) -> None:
    report(make_user(), comment)
    assert post(make_user(), "comment_remove", comment).status_code == 404
    assert post(steward, "comment_remove", comment).status_code == 404
    for _ in range(2):
        said(post(comment.author, "comment_remove", comment))
    html = thread(comment)
    assert "Taken back by its author." in html
    assert RUDE not in html
    assert "Nothing waits" in page(steward, "moderation_queue")
    assert [row["by"] for row in log()] == ["rude"]
    assert "You took this comment back yourself" in contest(comment)


def test_another_steward_looks_again_and_puts_it_back(steward: User, comment: Comment) -> None:
    other = make_user("other", steward=True)
    assert "you can take it back yourself" in contest(comment)
    answer(steward, comment, "insult")
    contest(comment)
    assert RUDE in page(other, "moderation_queue")
    assert RUDE in page(other, "comment_moderation", comment.pk)
    assert RUDE not in page(make_user(), "comment_moderation", comment.pk)
    assert "another steward judges it" in answer(steward, comment)

    answer(other, comment, reason="It was a joke.")
    assert RUDE in thread(comment)
    assert [(row["what"], row["by"]) for row in log()] == [
        ("removed", "steward"),
        ("put back", "other"),
    ]
    assert Notice.objects.filter(kind="comment.answered", member=comment.author).count() == 2


def test_another_steward_upholds_a_removal_and_that_is_the_end(
    steward: User, comment: Comment
) -> None:
    other = make_user("other", steward=True)
    answer(steward, comment, "insult")
    contest(comment)
    answer(other, comment, "insult", reason="No joke.")
    assert RUDE not in thread(comment)
    assert [row["what"] for row in log()] == ["removed", "removal upheld"]
    assert "You asked about this comment before" in contest(comment)


def test_a_steward_judges_their_own_comment_only_if_there_is_no_other(steward: User) -> None:
    comment = make_comment(steward, make_proposal(steward), text=RUDE)
    report(make_user(), comment)
    other = make_user("other", steward=True)
    assert "another steward judges it" in answer(steward, comment)
    User.objects.filter(pk=other.pk).update(is_active=False)
    answer(steward, comment)
    assert [row["what"] for row in log()] == ["kept"]


def test_what_waits_longest_comes_first(steward: User, comment: Comment) -> None:
    younger = make_comment(make_user(), comment.proposal, text="A later comment")
    report(make_user(), younger)
    CLOCK.forward_to(timezone.now() + timedelta(hours=1))
    report(make_user(), comment)
    html = page(steward, "moderation_queue")
    assert html.index("A later comment") < html.index(RUDE)
    CLOCK.forward_to(timezone.now() + timedelta(hours=1))
    report(make_user(), younger)
    html = page(steward, "moderation_queue")
    assert html.index("A later comment") < html.index(RUDE)


def test_who_reported_is_for_stewards_only(steward: User, comment: Comment) -> None:
    report(make_user("secretive"), comment)
    for person in (None, comment.author, make_user()):
        html = page(person, "comment_moderation", comment.pk) + thread(comment)
        assert "secretive" not in html
        assert "It insults us." not in html
    assert "secretive" in page(steward, "comment_moderation", comment.pk)
    assert not Entry.objects.filter(actor_name="secretive").exists()


def test_a_spreadsheet_runs_nothing_from_the_log(steward: User, comment: Comment) -> None:
    report(make_user(), comment)
    answer(steward, comment, reason="=HYPERLINK(1)")
    assert log()[0]["reason"] == "'=HYPERLINK(1)"
