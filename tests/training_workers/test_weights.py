"""What members say of priorities is what a release is optimised for, and its report says so."""

from html import unescape

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from contributions import actions as bring
from contributions.models import Expert, Priority
from governance.actions import priority_vote
from mosaic_site.members.models import User
from tests.factories import make_dataset, make_expert, make_user
from tests.training_workers.makers import composing_release, register_pocket
from training_workers import actions
from training_workers.models import Release
from training_workers.runs.compose import NOT_WANTED
from training_workers.runs.work import work

# Committed, or the worker's signs of life would wait for the test's own transaction.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ANSWERS = {"red": "warm", "blue": "cold"}


def declare(owner: User, colour: str) -> Priority:
    return bring.priority_declare(
        owner=owner,
        statement=f"Know {colour}",
        probes=[bring.ProbeText(f"{colour} {n}", ANSWERS[colour]) for n in range(6)],
    )


def train(owner: User, steward: User, priority: Priority, colour: str) -> Expert:
    """A small expert, trained by a worker."""
    rows = "".join(f"{colour} {number},{ANSWERS[colour]}\n" for number in range(10, 30))
    dataset = make_dataset(owner, content="prompt,completion\n" + rows)
    expert = make_expert(owner, priority=priority, versions=list(dataset.versions.all()))
    bring.expert_approve(steward=steward, expert=expert)
    actions.reconcile()
    assert work()
    expert.refresh_from_db()
    assert expert.status == Expert.Status.ELIGIBLE, expert.status_reason
    return expert


def test_a_release_is_composed_for_what_members_agree_on_and_compared_as_its_site_chose(
    client: Client, settings: Settings
) -> None:
    settings.MOSAIC_CONTROLS = ["sequential"]
    register_pocket()
    owner, steward = make_user(), make_user(steward=True)
    red, blue = declare(owner, "red"), declare(owner, "blue")
    expert = train(owner, steward, red, "red")
    release = composing_release(steward, [expert])
    for _ in range(3):
        member = make_user()
        priority_vote(member=member, priority=red, value="agree")
        priority_vote(member=member, priority=blue, value="disagree")

    assert work()

    release.refresh_from_db()
    assert release.status == Release.Status.LIVE, release.status_reason
    report = release.report
    assert report["weights"] == pytest.approx({"Know red": 1.6, "Know blue": 0.4})
    of_priority = report["priorities"]
    assert report["scores"]["mosaic"]["score"] == pytest.approx(
        0.8 * of_priority["Know red"]["mosaic"]["score"]
        + 0.2 * of_priority["Know blue"]["mosaic"]["score"]
    )
    page = client.get(release.get_absolute_url()).content.decode()
    assert report["controls"].keys() == {"sequential"}
    for left_out in ("monolith", "monolith_wide"):
        assert report["missing"][left_out] == NOT_WANTED
    assert f"Not measured: {NOT_WANTED}" in " ".join(unescape(page).split())
    assert report["above_monolith"] is None
    assert 'data-label="Weight">1.60<' in page and 'data-label="Weight">0.40<' in page

    priority_vote(member=owner, priority=red, value="disagree")
    release.refresh_from_db()
    assert release.report["weights"]["Know red"] == pytest.approx(1.6)
