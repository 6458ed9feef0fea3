"""Every page asks the database as little for thirty rows of everything as for three."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.architecture.crowd import Crowd
from tests.architecture.doors import DOORS, PEOPLE, Answer

MOST_QUERIES = 12
MOST_BYTES = 100_000


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_pages_keep_to_their_budget(rows: int) -> None:
    crowd = Crowd(rows)
    over = []
    for who, person in crowd.people.items():
        client = Client()
        if person is not None:
            client.force_login(person)
        shown = [
            crowd.url(name)
            for name, (door, _) in DOORS.items()
            if door.get[PEOPLE.index(who)] is Answer.PAGE
        ]
        for url in [*shown, *crowd.other_states()]:
            with CaptureQueriesContext(connection) as queries:
                response = client.get(url)
            assert response.status_code == 200, url
            size = len(response.content)
            if len(queries) > MOST_QUERIES or size > MOST_BYTES:
                over.append(f"{url} to the {who}: {len(queries)} queries, {size:,} bytes")

    assert not over
