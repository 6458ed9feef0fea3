"""What the governing floor adds to pages of other floors."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from governance import tasks
from governance.models import Proposal
from tests.factories import make_user
from tests.governance.conftest import Community, signed_in
from tests.governance.makers import make_comment, make_proposal


def test_the_page_of_an_expert_leads_to_its_proposals_and_rounds(community: Community) -> None:
    expert, author = community.experts[0], community.members[1]
    tasks.reconcile()
    retire = {"kind": "retire", "expert": expert.pk, "title": "Shall it go?", "threshold": "1/2"}
    signed_in(author).post(reverse("governance:proposal_new"), retire | {"once": uuid.uuid4()})
    round_ = community.open_round()
    html = Client().get(expert.get_absolute_url()).content.decode()
    assert f'<a href="{round_.get_absolute_url()}">Spring</a>' in html
    about = f"{reverse('governance:proposal_list')}?expert={expert.pk}"
    assert f'<a href="{about}">' in html
    listed = Client().get(about).content.decode()
    for proposal in Proposal.objects.all():
        link = f'<a href="{proposal.get_absolute_url()}">'
        assert (link in listed) == (proposal.expert == expert)
    assert Proposal.objects.filter(expert=expert).count() == 2


@pytest.mark.django_db
def test_the_desk_counts_what_waits_for_a_moderator() -> None:
    steward, proposal = make_user(steward=True), make_proposal(make_user())
    desk = reverse("training_workers:desk")
    queue = reverse("governance:moderation_queue")
    assert "Nothing that was reported waits." in signed_in(steward).get(desk).content.decode()
    comment = make_comment(make_user(), proposal)
    for name, pk in (("proposal", proposal.pk), ("comment", comment.pk), ("comment", comment.pk)):
        url = reverse(f"governance:{name}_report", args=[pk])
        signed_in(make_user()).post(url, {"ground": "spam", "reason": "It sells things."})
    html = signed_in(steward).get(desk).content.decode()
    assert f'<a href="{queue}">To the moderation queue (2)</a>' in html
