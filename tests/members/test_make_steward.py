"""The operator's way to a steward."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from mosaic_site.ledger.chain import verify
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_a_member_becomes_a_steward_and_the_ledger_says_so(client: Client) -> None:
    member = make_user("ada")
    client.force_login(member)
    desk = reverse("training_workers:desk")
    assert client.get(desk).status_code == 404
    said = StringIO()
    call_command("make_steward", "ada", stdout=said)
    assert said.getvalue() == "ada is a steward now.\n"
    assert client.get(desk).status_code == 200
    page = client.get(reverse("ledger:list")).content.decode()
    assert "the site</strong> made a steward of" in page
    assert verify().broken is None


@pytest.mark.parametrize(
    ("username", "sentence"), [("nobody", "Nobody is called"), ("cy", "is a steward already")]
)
def test_a_wrong_name_is_answered_with_a_sentence(username: str, sentence: str) -> None:
    make_user("cy", steward=True)
    with pytest.raises(CommandError, match=sentence):
        call_command("make_steward", username)
