"""Nobody reads a sealed probe: not its owner, not a steward, from no address of the site."""

import pytest
from django.test import Client
from django.urls import reverse

from contributions.models import Priority, Probe
from tests.architecture.crowd import Crowd
from tests.architecture.doors import DOORS, Answer, addresses

NAMES = [name for name, (door, _) in DOORS.items() if Answer.NOT_ALLOWED not in door.get]
SEALED, OPEN = "xyzzysealed", "xyzzyopen"


def marked() -> int:
    """Writes into every text of every probe whether it is sealed. Returns how many there are."""
    for probe in Probe.objects.all():
        word = SEALED if probe.part == Probe.Part.SEALED else OPEN
        probe.prompt = f"{word}prompt {probe.pk}"
        probe.answer = f"{word}answer {probe.pk}"
        probe.other_answers = [f"{word}other {probe.pk}"]
        probe.save()
    return Probe.objects.filter(part=Probe.Part.SEALED).count()


@pytest.mark.django_db
def test_no_address_tells_a_sealed_probe_to_anybody() -> None:
    crowd = Crowd(2)
    urls = [crowd.url(name) for name in NAMES]
    urls += crowd.other_states()
    urls += [priority.get_absolute_url() for priority in Priority.objects.all()]
    urls += [
        reverse(one.name, kwargs=dict.fromkeys(one.arguments, "1"))
        for one in addresses()
        if one.is_accounts and "logout" not in one.name
    ]
    assert marked() > 10
    seen: dict[str, set[str]] = {OPEN: set(), SEALED: set()}
    for who, person in crowd.people.items():
        client = Client()
        if person is not None:
            client.force_login(person)
        for url in dict.fromkeys(urls):
            response = client.get(url)
            content = b"".join(response) if response.streaming else response.content
            for word, places in seen.items():
                if word.encode() in content:
                    places.add(f"{url} to the {who}")

    assert seen[SEALED] == set()
    priority = crowd.priority.get_absolute_url()
    assert {f"{priority} to the {who}" for who in crowd.people} <= seen[OPEN]
