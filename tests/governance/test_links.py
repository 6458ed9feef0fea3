"""What the governing floor adds to pages of other floors."""

import pytest
from django.test import Client
from django.urls import reverse

from governance import tasks
from governance.models import Proposal
from tests.factories import make_user
from tests.governance.conftest import Community, cast, close, signed_in
from tests.governance.makers import make_comment, make_proposal


def test_the_page_of_an_expert_leads_to_its_proposals_and_rounds(community: Community) -> None:
    first, second, _ = community.experts
    tasks.reconcile()
    round_ = community.open_round(budget=first.adapter_bytes)
    html = Client().get(first.get_absolute_url()).content.decode()
    proposal = Proposal.objects.get(kind="admit", expert=first)
    assert f'<a href="{proposal.get_absolute_url()}">Admit Expert-0</a>' in html
    assert f'<a href="{round_.get_absolute_url()}">Spring</a>' in html
    assert "joined" not in html.lower()
    for member in community.members:
        cast(member, round_, first)
    close(round_)
    for expert, outcome in ((first, "Spring</a>: joined"), (second, "Spring</a>: did not join")):
        assert outcome in Client().get(expert.get_absolute_url()).content.decode()


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
