"""The groups that stewards make and members declare."""

import pytest
from django.test import Client
from django.urls import reverse

from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import MemberGroup, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db

GROUPS, NEW, ME = reverse("members:group_list"), reverse("members:group_new"), reverse("members:me")
TOO_SMALL = "support within it is not shown"


@pytest.fixture
def steward(client: Client) -> User:
    steward = make_user("ines", steward=True)
    client.force_login(steward)
    return steward


def _make(client: Client, name: str, description: str = "") -> MemberGroup:
    answer = client.post(NEW, {"name": name, "description": description})
    assert answer.status_code == 302
    return MemberGroup.objects.get(name=name)


def _declare(member: User, group: MemberGroup | None) -> None:
    client = Client()
    client.force_login(member)
    answer = client.post(ME, {"group": group.pk if group else ""})
    assert answer.headers["Location"] == ME


def test_a_steward_makes_and_renames_a_group_and_the_ledger_tells(
    client: Client, steward: User
) -> None:
    group = _make(client, "Nurses", "Who nurse.")
    edit = reverse("members:group_edit", args=[group.pk])
    assert 'value="Nurses"' in client.get(edit).content.decode()
    answer = client.post(edit, {"name": "Carers", "description": "Who care."}, follow=True)

    page = answer.content.decode()
    assert "Carers" in page and "Who care." in page and "Nurses" not in page
    edited, made = Entry.objects.all()
    assert (made.action, made.actor, made.subject_name) == ("group.made", steward, "Nurses")
    assert (edited.action, edited.subject_name) == ("group.edited", "Carers")
    assert edited.data == {"was": {"name": "Nurses", "description": "Who nurse."}}
    ledger = client.get(reverse("ledger:list")).content.decode()
    assert "made the group" in ledger and "edited the group" in ledger


def test_a_second_press_changes_nothing_more(client: Client, steward: User) -> None:
    group = _make(client, "Nurses")
    _make(client, "Nurses")
    edit = reverse("members:group_edit", args=[group.pk])
    for _ in range(2):
        client.post(edit, {"name": "Carers"})
    assert MemberGroup.objects.count() == 1
    assert Entry.objects.count() == 2


def test_two_groups_never_share_a_name(client: Client, steward: User) -> None:
    _make(client, "Nurses")
    other = _make(client, "Drivers")
    edit = reverse("members:group_edit", args=[other.pk])
    for url in (NEW, edit):
        page = client.post(url, {"name": "nurses", "description": "More."}).content.decode()
        assert "There is a group called “nurses” already." in page
    assert {group.name for group in MemberGroup.objects.all()} == {"Nurses", "Drivers"}
    assert Entry.objects.count() == 2


def test_only_stewards_make_groups(client: Client) -> None:
    client.force_login(make_user())
    assert client.post(NEW, {"name": "Nurses"}).status_code == 404
    client.logout()
    assert client.post(NEW, {"name": "Nurses"}).status_code == 302
    assert not MemberGroup.objects.exists()
    assert "No group yet" in client.get(GROUPS).content.decode()


def test_a_declaration_is_personal_and_can_be_changed(client: Client, steward: User) -> None:
    nurses, drivers = _make(client, "Nurses"), _make(client, "Drivers")
    ada = make_user("ada")
    entries = Entry.objects.count()
    for group in (nurses, drivers, None):
        _declare(ada, group)
        ada.refresh_from_db()
        assert ada.group == group
    _declare(ada, nurses)
    assert Entry.objects.count() == entries, "no word of it in the ledger"
    assert "ada" not in client.get(GROUPS).content.decode(), "nor to a steward"

    client.force_login(ada)
    page = client.get(ME).content.decode()
    assert f'<option value="{nurses.pk}" selected>Nurses</option>' in page
    for name in ("account_change_password", "mfa_index", "account_email"):
        assert f'href="{reverse(name)}"' in page


def test_a_group_that_is_not_there_cannot_be_declared(client: Client) -> None:
    ada = make_user("ada")
    client.force_login(ada)
    assert "Select a valid choice" in client.post(ME, {"group": "987654"}).content.decode()
    ada.refresh_from_db()
    assert ada.group is None


def test_support_within_a_group_is_shown_from_five_members_on(
    client: Client, steward: User
) -> None:
    group = _make(client, "Nurses")
    for _ in range(4):
        _declare(make_user(), group)
    assert TOO_SMALL in client.get(GROUPS).content.decode()
    assert not MemberGroup.objects.shown()
    _declare(make_user(), group)
    assert TOO_SMALL not in client.get(GROUPS).content.decode()
    assert list(MemberGroup.objects.shown()) == [group]


def test_members_of_a_group_that_is_removed_stay(client: Client, steward: User) -> None:
    group, ada = _make(client, "Nurses"), make_user("ada")
    _declare(ada, group)
    group.delete()
    ada.refresh_from_db()
    assert ada.group is None
