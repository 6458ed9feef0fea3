"""The pages of a vote ask the database no more for a town than for a street."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contributions.models import Expert
from governance import actions, tasks
from governance.models import Ballot, Round
from mosaic_site.members.models import User
from tests.architecture.test_budgets import MOST_BYTES, MOST_QUERIES
from tests.factories import make_eligible_expert, make_user
from tests.governance.conftest import close, decided, signed_in
from tests.governance.makers import make_proposal

MEMBERS, CANDIDATES, QUESTIONS, VOTERS = 10_000, 300, 10, 40


@pytest.fixture
def town(db: None) -> Round:
    """An open round in which some have voted."""
    steward = make_user("steward", steward=True)
    expert = make_eligible_expert(make_user("owner"), steward)
    User.objects.bulk_create(
        User(username=f"member{n}", email=f"member{n}@example.org") for n in range(MEMBERS)
    )
    Expert.objects.bulk_create(
        Expert(
            owner=expert.owner,
            name=f"Expert {n}",
            purpose="Answers.",
            priority=expert.priority,
            base=expert.base,
            status=expert.status,
            submitted_at=expert.submitted_at,
            adapter_sha256=f"{n:064x}",
            adapter_bytes=1000 + n,
            evidence=expert.evidence,
        )
        for n in range(1, CANDIDATES)
    )
    for _ in range(QUESTIONS):
        proposal = make_proposal(expert.owner)
        for member in User.objects.filter(username__startswith="member")[:10]:
            actions.endorse(member=member, proposal=proposal, version=1)
    round_ = actions.round_open(
        steward=steward,
        title="Town",
        budget_bytes=100_000,
        quorum=1,
        closes_at=timezone.now() + timedelta(days=1),
    )
    keys = list(round_.candidates.values_list("pk", flat=True))
    for n, voter in enumerate(User.objects.filter(username__startswith="member")[:VOTERS]):
        actions.ballot_cast(voter=voter, round_=round_, approvals=keys[n : n + 30])
    return round_


@pytest.mark.slow
def test_ten_thousand_members_and_three_hundred_candidates(town: Round) -> None:
    voter, steward = User.objects.get(username="member0"), User.objects.get(username="steward")
    assert (town.candidates.count(), town.questions.count()) == (CANDIDATES, QUESTIONS)
    assert town.electors.count() == MEMBERS + 2
    ballot, review, receipt, detail = (
        reverse(f"governance:{name}", args=[town.pk])
        for name in ("ballot", "ballot_review", "ballot_receipt", "round_detail")
    )
    choice = {"approvals": list(town.candidates.values_list("pk", flat=True))}
    check = f"{reverse('governance:receipt_check')}?receipt={Ballot.objects.all()[0].receipt}"
    over = []

    def look(
        what: str, client: Client, url: str, posted: dict[str, list[int]] | None = None
    ) -> str:
        with CaptureQueriesContext(connection) as queries:
            response = client.post(url, posted) if posted else client.get(url)
        assert response.status_code == 200
        size = len(response.content)
        if len(queries) > MOST_QUERIES or size > MOST_BYTES:
            over.append(f"{what}: {len(queries)} queries, {size:,} bytes")
        return response.content.decode()

    browser = signed_in(voter)
    html = look("ballot", browser, ballot)
    evidence = reverse("governance:candidate_detail", args=[town.candidates.all()[0].pk])
    assert html.count('type="checkbox" name="approvals"') == CANDIDATES
    assert f'<a href="{evidence}" hx-get="{evidence}" target="_blank">' in html
    look("review", browser, review, choice)
    look("ballot again", browser, ballot, choice)
    look("receipt", browser, receipt)
    for who in (voter, steward):
        look(f"open round, {who}", signed_in(who), detail)
    look("rounds", browser, reverse("governance:round_list"))
    look("receipts", Client(), check)
    close(town)
    decision = decided(town)
    first, *others = decision.to_ask
    unexplained = look("result", browser, detail).count("enough is being counted")
    tasks.explain()
    decision = decided(town)
    assert decision.to_ask == others
    assert list(decision.more_supporters) == [first]
    assert look("result", browser, detail).count("enough is being counted") == unexplained - 1
    for who in (voter, steward):
        look(f"result, {who}", signed_in(who), detail)
        look(f"its last part, {who}", signed_in(who), f"{detail}?page=99")
    look("receipts after the close", Client(), check)
    assert not over
