"""Making, changing, endorsing and discussing proposals."""

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contributions.actions import expert_withdraw
from governance import tasks
from governance.models import Comment, Endorsement, Proposal, ProposalVersion
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.factories import make_user
from tests.governance.conftest import CLOCK, Community, close, page, signed_in
from tests.governance.makers import make_comment, make_proposal

QUESTION = {
    "kind": "question",
    "title": "Shall we add Welsh?",
    "text": "Many of us speak it.",
    "threshold": "2/3",
}


def post(
    person: User | None, name: str, proposal: Proposal | None = None, /, **data: object
) -> HttpResponseBase:
    client = signed_in(person) if person else Client()
    args = [proposal.pk] if proposal else []
    return client.post(reverse(f"governance:{name}", args=args), data, follow=True)


def said(answer: HttpResponseBase) -> str:
    assert answer.status_code == 200
    return answer.content.decode()  # type: ignore[attr-defined, no-any-return]


def endorse(person: User, proposal: Proposal, version: int = 1) -> str:
    return said(post(person, "endorse", proposal, version=version))


def tallied(*, quorum_of: Community, proposal: Proposal, answer: str) -> Proposal:
    """Put to the vote, answered by everybody, ratified."""
    community = quorum_of
    round_ = community.open_round()
    question = round_.questions.get(proposal=proposal)
    for person in community.members:
        url = reverse("governance:ballot_cast", args=[round_.pk])
        signed_in(person).post(url, {f"question-{question.pk}": answer})
    close(round_)
    signed_in(community.steward).post(reverse("governance:round_ratify", args=[round_.pk]))
    proposal.refresh_from_db()
    return proposal


def test_a_question_from_the_first_word_to_the_ballot_and_its_answer(
    community: Community,
) -> None:
    author, second, third = community.members
    html = said(post(author, "proposal_new", **QUESTION, once=uuid.uuid4()))
    proposal = Proposal.objects.get(kind="question")
    assert "Your proposal is published" in html
    assert "more than 2/3 (67 %)" in html
    assert "Endorsed: 0 of 2 needed" in html
    assert Entry.objects.filter(action="proposal.made").get().subject_name == QUESTION["title"]

    assert "Endorsed: 1 of 2 needed" in endorse(second, proposal)
    assert "Endorsed: 1 of 2 needed" in endorse(second, proposal)
    assert "Endorsed: 2 of 2 needed" in endorse(third, proposal)
    assert Endorsement.objects.count() == 2

    tallied(quorum_of=community, proposal=proposal, answer="yes")
    html = page(None, "proposal_detail", proposal.pk)
    assert proposal.status == "decided"
    assert "Adopted." in html
    assert re.search(r"Spring</a>: yes", html)


def test_members_who_take_an_endorsement_back_have_none(community: Community) -> None:
    proposal = make_proposal(community.members[0])
    endorse(community.members[1], proposal)
    for _ in range(2):
        html = said(post(community.members[1], "endorsement_withdraw", proposal))
        assert "Endorsed: 0 of 2 needed" in html


def test_a_double_click_proposes_and_comments_once(community: Community) -> None:
    author, once = community.members[0], uuid.uuid4()
    for _ in range(2):
        post(author, "proposal_new", **QUESTION, once=once)
    proposal = Proposal.objects.get(kind="question")
    assert proposal.versions.count() == 1

    for _ in range(2):
        post(author, "comment_add", proposal, text="Hear, hear.", once=once)
    assert proposal.comments.count() == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"title": ""}, "This field is required."),
        ({"threshold": "1/100"}, "Select a valid choice."),
        ({"kind": "admit"}, "Select a valid choice."),
        ({"kind": "retire"}, "Choose the expert that shall be retired."),
        ({"title": "x" * 161}, "at most 160 characters"),
        ({"text": "x" * 10_001}, "at most 10000 characters"),
    ],
)
def test_what_cannot_be_proposed_is_not(
    community: Community, change: dict[str, str], sentence: str
) -> None:
    html = said(
        post(community.members[0], "proposal_new", **{**QUESTION, **change}, once=uuid.uuid4())
    )
    assert sentence in html
    assert not Proposal.objects.exclude(kind="admit").exists()


def test_an_expert_is_retired_by_one_proposal_at_a_time(community: Community) -> None:
    author, expert = community.members[1], community.experts[0]
    asked = {**QUESTION, "kind": "retire", "title": "Retire it", "expert": expert.pk}
    post(author, "proposal_new", **asked, once=uuid.uuid4())
    html = said(post(author, "proposal_new", **asked, once=uuid.uuid4()))
    assert f"There is a proposal to retire {expert}. Endorse that one." in html
    proposal = Proposal.objects.get(kind="retire")
    assert f'href="{expert.get_absolute_url()}#evidence"' in page(
        None, "proposal_detail", proposal.pk
    )
    begun = signed_in(author).get(reverse("governance:proposal_new"), {"expert": expert.pk})
    assert f'<option value="{expert.pk}" selected' in begun.content.decode()


def test_an_edit_takes_endorsements_back_and_tells_who_gave_them(community: Community) -> None:
    author, second, third = community.members
    proposal = make_proposal(author, title="Shall we add Welsh?", text="Many of us speak it.")
    for person in (author, second, third):
        endorse(person, proposal)
    edited = {"title": "Shall we add Irish?", "text": "Some of us speak it."}
    html = said(post(author, "proposal_edit", proposal, **edited))

    assert "Endorsed: 0 of 2 needed" in html
    told = Notice.objects.filter(kind="proposal.changed")
    assert {notice.member for notice in told} == {second, third}
    assert "“Shall we add Irish?” changed; your endorsement was taken back" in told[0].text
    assert Entry.objects.get(action="proposal.changed").data["endorsements_taken_back"] == 3

    assert "It changed while you were reading" in endorse(second, proposal, version=1)
    assert "Endorsed: 1 of 2 needed" in endorse(second, proposal, version=2)
    # The second click of a double click: the same words are no change.
    assert "Endorsed: 1 of 2 needed" in said(post(author, "proposal_edit", proposal, **edited))
    assert proposal.versions.count() == 2


def test_what_changed_can_be_seen_and_heard(community: Community) -> None:
    proposal = make_proposal(community.members[0], text="Many of us\n<b>speak</b> it.")
    for text in ("Some of us\n<b>speak</b> it.", "None of us\n<b>speak</b> it."):
        post(community.members[0], "proposal_edit", proposal, title="New?", text=text)

    html = page(None, "proposal_changes", proposal.pk)
    assert "<del>Some</del><ins>None</ins> of us\n&lt;b&gt;speak&lt;/b&gt; it." in html
    url = reverse("governance:proposal_changes", args=[proposal.pk])
    html = Client().get(url, {"from": 1, "to": 2}).content.decode()
    assert "<del>Many</del><ins>Some</ins>" in html
    for nonsense in ("0", "99", "-1", "x"):
        assert Client().get(url, {"from": nonsense, "to": nonsense}).status_code == 200


def test_nothing_changes_while_it_is_on_a_ballot(community: Community) -> None:
    author, second, third = community.members
    proposal = make_proposal(author)
    for person in (second, third):
        endorse(person, proposal)
    round_ = community.open_round()
    before = ProposalVersion.objects.count()
    for answer in (
        post(author, "proposal_edit", proposal, title="Another thing?", text=""),
        post(author, "proposal_withdraw", proposal, reason="No more."),
        post(second, "endorsement_withdraw", proposal),
        post(author, "endorse", proposal, version=1),
    ):
        assert "This proposal is on a ballot now" in said(answer)
    proposal.refresh_from_db()
    assert proposal.status == "on_ballot"
    assert (ProposalVersion.objects.count(), Endorsement.objects.count()) == (before, 2)
    assert round_.get_absolute_url() in page(None, "proposal_detail", proposal.pk)
    assert "Open</span>" in page(None, "proposal_detail", proposal.pk)

    tasks.reconcile()
    admit = Proposal.objects.get(kind="admit", expert=community.experts[0])
    answer = post(admit.author, "proposal_edit", admit, title="Admit it now", text="")
    assert "This proposal is on a ballot now" in said(answer)


def test_a_proposal_is_withdrawn_by_its_author_or_a_steward_with_a_reason(
    community: Community,
) -> None:
    author, second, _ = community.members
    by_author, by_steward = make_proposal(author), make_proposal(author)
    endorse(second, by_steward)
    assert post(second, "proposal_withdraw", by_author, reason="No.").status_code == 404
    post(author, "proposal_withdraw", by_author, reason=" ")
    by_author.refresh_from_db()
    assert by_author.status == "open"

    post(author, "proposal_withdraw", by_author, reason="I changed my mind.")
    html = said(post(community.steward, "proposal_withdraw", by_steward, reason="It is unlawful."))
    assert "Withdrawn. It is unlawful." in html
    assert "The discussion is over." in html
    told = Notice.objects.filter(kind="proposal.withdrawn")
    assert {notice.member for notice in told} == {author, second}
    recorded = Entry.objects.filter(action="proposal.withdrawn").values_list("reason", flat=True)
    assert set(recorded) == {"I changed my mind.", "It is unlawful."}
    assert "nobody comments now" in said(
        post(second, "comment_add", by_author, text="Why?", once=uuid.uuid4())
    )


def test_what_is_proposed_about_an_expert_goes_with_it(community: Community) -> None:
    tasks.reconcile()
    expert = community.experts[0]
    admit = Proposal.objects.get(kind="admit", expert=expert)
    html = page(None, "proposal_detail", admit.pk)
    assert "#evidence" in html
    assert "Endorse" not in html
    assert "without endorsements" in said(post(expert.owner, "endorse", admit, version=1))
    assert "Withdraw the expert itself" in said(
        post(expert.owner, "proposal_withdraw", admit, reason="Changed my mind.")
    )
    expert_withdraw(actor=expert.owner, expert=expert, reason="It is wrong.")
    tasks.reconcile()
    assert "Withdrawn. The expert has left." in page(None, "proposal_detail", admit.pk)


def test_comments_are_plain_text_with_links(community: Community) -> None:
    proposal = make_proposal(community.members[0])
    text = "<script>alert(1)</script> see https://example.org/x"
    answer = post(community.members[1], "comment_add", proposal, text=text, once=uuid.uuid4())
    html = said(answer)
    comment = Comment.objects.get()
    assert answer.redirect_chain[0][0].endswith(f"?page=1#comment-{comment.pk}")  # type: ignore[attr-defined]
    assert "&lt;script&gt;" in html
    assert '<a href="https://example.org/x" rel="nofollow">' in html
    assert "There is nothing in this comment yet." in said(
        post(community.members[1], "comment_add", proposal, text=" ", once=uuid.uuid4())
    )


def test_twenty_comments_an_hour_are_enough(community: Community) -> None:
    author, proposal = community.members[0], make_proposal(community.members[0])
    for number in range(20):
        make_comment(author, proposal, text=f"Comment {number}")
    late = {"text": "One more thing", "once": uuid.uuid4()}
    html = said(post(author, "comment_add", proposal, **late))
    assert "You sent 20 comments in an hour, which is the most. You can go on in" in html
    assert "One more thing</textarea>" in html
    assert proposal.comments.count() == 20
    make_comment(community.members[1], proposal)

    CLOCK.forward_to(timezone.now() + timedelta(minutes=61))
    answer = post(author, "comment_add", proposal, **late)
    assert "?page=2#comment-" in answer.redirect_chain[0][0]  # type: ignore[attr-defined]
    assert "One more thing" in said(answer)


def test_lists_show_what_they_say(community: Community) -> None:
    tasks.reconcile()
    url = reverse("governance:proposal_list")

    def shown(show: str) -> str:
        return Client().get(url, {"show": show}).content.decode()

    assert "Nothing is proposed" in shown("open")
    proposal = make_proposal(community.members[0], title="Shall we?")
    make_comment(community.members[1], proposal)
    assert "0 of 2 needed" in shown("open")
    assert "Admit Expert-0" in shown("experts")
    assert "Admit Expert-0" not in shown("open")
    post(community.members[0], "proposal_withdraw", proposal, reason="No.")
    assert "Shall we?" in shown("withdrawn")
    assert "Shall we?" not in shown("nonsense")
    assert "None yet" in shown("decided")


def test_three_hundred_proposals_and_a_long_discussion_ask_few_queries(
    db: None, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    author, people = make_user(steward=True), [make_user() for _ in range(15)]
    for _ in range(299):
        make_proposal(author)
    busy = make_proposal(author)
    for person in people:
        endorse(person, busy)
        for _ in range(20):
            make_comment(person, busy)
    client = signed_in(author)
    for url in (reverse("governance:proposal_list"), busy.get_absolute_url()):
        for number in (1, 15):
            with django_assert_max_num_queries(12):
                answer = client.get(url, {"page": number})
            assert len(answer.content) < 100_000
