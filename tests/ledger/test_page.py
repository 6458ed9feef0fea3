"""The ledger as people read it."""

import pytest
from django.test import Client
from django.urls import reverse

from contributions import actions
from mosaic_site.ledger.models import Entry, Head
from tests.factories import make_dataset, make_expert, make_priority, make_user

pytestmark = pytest.mark.django_db

LEDGER = reverse("ledger:list")


def test_empty_it_says_what_comes_first(client: Client) -> None:
    assert "Nothing has happened yet" in client.get(LEDGER).content.decode()


def test_a_line_tells_who_did_what_to_what_and_why(client: Client) -> None:
    owner, steward = make_user("ana"), make_user("ines", steward=True)
    expert = make_expert(owner, name="Library desk")
    actions.expert_return(steward=steward, expert=expert, reason="Bring <b>more</b>.")

    page = client.get(LEDGER).content.decode()

    link = f'<a href="{expert.get_absolute_url()}">Library desk</a>'
    assert f"<strong>ines</strong> returned the expert {link}" in page
    assert "Bring &lt;b&gt;more&lt;/b&gt;." in page
    assert Entry.objects.latest("sequence").hash in page


def test_the_head_and_how_to_verify_it_are_on_the_page(client: Client) -> None:
    make_priority(make_user())

    page = client.get(LEDGER).content.decode()

    assert Head.objects.get().hash in page
    assert "python manage.py verify_ledger" in page


def test_filtered_by_the_kind_of_subject(client: Client) -> None:
    owner = make_user()
    make_priority(owner, statement="Know the library")
    make_expert(owner, name="Bike desk")

    page = client.get(LEDGER, {"kind": "contributions.priority"}).content.decode()

    assert "Know the library" in page
    assert "Bike desk" not in page
    assert 'href="?kind=contributions.datasetversion"' in page
    assert "Dataset versions" in page


def test_an_unknown_kind_shows_everything(client: Client) -> None:
    make_priority(make_user(), statement="Know the library")

    assert "Know the library" in client.get(LEDGER, {"kind": "x.y"}).content.decode()


def test_the_second_page_goes_on_where_the_first_ends(client: Client) -> None:
    owner = make_user()
    for _ in range(52):
        make_priority(owner)

    page = client.get(LEDGER, {"page": "2", "kind": "contributions.priority"}).content.decode()

    assert "entry-2" in page
    assert "entry-3" not in page
    assert "page=1" in page and "kind=contributions.priority" in page


def test_strangers_read_of_a_private_dataset(client: Client) -> None:
    owner = make_user("ada")
    dataset = make_dataset(owner, name="Nurses' notes")

    for url in (LEDGER, reverse("home")):
        page = client.get(url).content.decode()
        assert "Nurses" not in page
        assert dataset.get_absolute_url() not in page
    assert "<strong>ada</strong> uploaded a private dataset" in client.get(LEDGER).content.decode()
    for person in (owner, make_user(steward=True)):
        client.force_login(person)
        page = client.get(LEDGER).content.decode()
        assert "Nurses&#x27; notes</a>" in page
        assert dataset.versions.get().get_absolute_url() in page


def test_once_it_is_public_it_has_its_name(client: Client) -> None:
    dataset = make_dataset(make_user("ada"), name="Bike rules")
    actions.dataset_publish(dataset=dataset)

    page = client.get(LEDGER).content.decode()

    assert f'published <a href="{dataset.get_absolute_url()}">Bike rules</a>' in page
    assert "a private dataset" not in page
