"""What a form that arrives a second time says, where the first one has changed the state."""

import pytest
from django.test import Client
from django.urls import reverse

from contributions import actions
from contributions.models import Expert
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_dataset, make_expert, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client: Client) -> User:
    owner = make_user("ada")
    client.force_login(owner)
    return owner


@pytest.fixture
def returned(owner: User) -> Expert:
    steward = make_user(steward=True)
    return actions.expert_return(
        steward=steward, expert=make_expert(owner, name="desk"), reason="Say more."
    )


def test_submitting_again_twice_leads_to_the_expert(client: Client, returned: Expert) -> None:
    page = reverse("contributions:expert_resubmit", args=[returned.pk])
    form = {
        "purpose": "Says more.",
        "versions": [returned.versions.get().pk],
        "thoroughness": "normal",
        "rank": 32,
        "seed": 0,
    }
    for _ in range(2):
        answer = client.post(page, form, headers={"referer": f"http://testserver{page}"})
        assert answer.headers["Location"] == returned.get_absolute_url()
    assert (
        "so it cannot become submitted" in client.get(answer.headers["Location"]).content.decode()
    )
    assert Entry.objects.filter(action="expert.submitted").count() == 2


def test_a_card_saved_twice_is_told_once(owner: User) -> None:
    dataset = make_dataset(owner)
    actions.dataset_describe(
        dataset=dataset,
        licence=dataset.licence,
        summary=dataset.summary,
        origin=dataset.origin,
        limits=dataset.limits,
    )
    assert Entry.objects.filter(action="dataset.described").count() == 1
