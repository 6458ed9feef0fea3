"""A page asks the database as often for thirty rows as for three."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from contributions import actions
from contributions.models import Expert
from tests.factories import make_dataset, make_eligible_expert, make_priority, make_user

pytestmark = pytest.mark.django_db

MOST = 12


@pytest.mark.parametrize("rows", [3, 30])
def test_pages_keep_to_their_budget(
    client: Client, rows: int, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    steward = make_user(steward=True)
    priority = make_priority(steward)
    for _ in range(rows):
        owner = make_user()
        actions.dataset_publish(dataset=make_dataset(owner))
        make_eligible_expert(owner, steward, priority=priority)
        make_priority(owner, probes=rows + 6)
    expert = Expert.objects.all()[0]
    version = expert.versions.get()
    client.force_login(steward)
    urls = [
        *(reverse(f"contributions:{noun}_list") for noun in ("priority", "dataset", "expert")),
        *(reverse(f"contributions:{noun}_new") for noun in ("priority", "dataset", "expert")),
        *(thing.get_absolute_url() for thing in (priority, version.dataset, version, expert)),
        reverse("ledger:list"),
    ]

    for url in urls:
        with django_assert_max_num_queries(MOST, info=url):
            assert client.get(url).status_code == 200
