"""Who may open what: visitors are asked to sign in, what is not theirs does not exist."""

from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import reverse

from contributions.models import Dataset, Expert
from mosaic_site.members.models import User
from tests.factories import make_dataset, make_expert, make_user

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Scene:
    """A member's private dataset and submitted expert, and those who look at it."""

    owner: User
    stranger: User
    steward: User
    dataset: Dataset
    expert: Expert

    def url(self, name: str) -> str:
        if name == "priority_retire":
            return reverse(f"contributions:{name}", args=[self.expert.priority_id])
        if name.startswith("version_"):
            version = self.dataset.versions.get()
            return reverse(f"contributions:{name}", args=[version.pk])
        subject = self.dataset if name.startswith("dataset_") else self.expert
        return reverse(f"contributions:{name}", args=[subject.pk])


@pytest.fixture
def scene() -> Scene:
    owner = make_user()
    return Scene(
        owner, make_user(), make_user(steward=True), make_dataset(owner), make_expert(owner)
    )


@pytest.mark.parametrize(
    ("name", "visitor", "stranger", "steward"),
    [
        ("dataset_detail", 404, 404, 200),
        ("version_detail", 404, 404, 200),
        ("dataset_card", 302, 404, 404),
        ("dataset_version_new", 302, 404, 404),
        ("expert_detail", 200, 200, 200),
        ("expert_resubmit", 302, 404, 404),
    ],
)
def test_reading(
    client: Client, scene: Scene, name: str, visitor: int, stranger: int, steward: int
) -> None:
    found = [client.get(scene.url(name)).status_code]
    for person in (scene.stranger, scene.steward):
        client.force_login(person)
        found.append(client.get(scene.url(name)).status_code)

    assert found == [visitor, stranger, steward]


@pytest.mark.parametrize(
    "name",
    [
        "dataset_publish",
        "version_recheck",
        "expert_withdraw",
        "dataset_card",
        "dataset_version_new",
    ],
)
def test_owners_verbs_do_not_exist_for_strangers(client: Client, scene: Scene, name: str) -> None:
    login = reverse("account_login")
    assert client.post(scene.url(name)).headers["Location"].startswith(login)

    client.force_login(scene.stranger)
    assert client.post(scene.url(name), {"reason": "mine now"}).status_code == 404


@pytest.mark.parametrize("name", ["expert_approve", "expert_return", "priority_retire"])
def test_stewards_verbs_do_not_exist_for_members(client: Client, scene: Scene, name: str) -> None:
    login = reverse("account_login")
    assert client.post(scene.url(name)).headers["Location"].startswith(login)

    client.force_login(scene.owner)
    assert client.post(scene.url(name), {"reason": "because"}).status_code == 404
    scene.expert.refresh_from_db()
    assert scene.expert.status == "submitted"


@pytest.mark.parametrize(
    "name",
    [
        "dataset_publish",
        "version_recheck",
        "expert_approve",
        "expert_return",
        "priority_retire",
    ],
)
def test_verbs_are_not_links(client: Client, scene: Scene, name: str) -> None:
    client.force_login(scene.steward)

    assert client.get(scene.url(name)).status_code == 405


@pytest.mark.parametrize("name", ["priority_new", "dataset_new", "expert_new"])
def test_bringing_something_wants_an_account(client: Client, name: str) -> None:
    response = client.get(reverse(f"contributions:{name}"))

    assert response.headers["Location"].startswith(reverse("account_login"))
