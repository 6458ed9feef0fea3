"""The releases: list, report, composing, failing, and rolling back."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from contributions.actions import expert_withdraw
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import make_eligible_expert, make_priority, make_user
from tests.training_workers.makers import composing_release, go_live, make_live_release
from training_workers.actions import job_claim_next, job_fail
from training_workers.models import Job, Release

pytestmark = pytest.mark.django_db

QUERIES = 12


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def two_releases(owner: User, steward: User) -> tuple[Release, Release]:
    """The first is retired by the second."""
    experts = [make_eligible_expert(owner, steward) for _ in range(2)]
    first = go_live(composing_release(steward, experts))
    second = go_live(composing_release(steward, experts))
    first.refresh_from_db()
    return first, second


def failed_release(owner: User, steward: User) -> Release:
    release = composing_release(steward, [make_eligible_expert(owner, steward)])
    job = job_claim_next(worker="bench:1")
    assert job is not None
    job_fail(job=job, reason="Out of memory while fitting.")
    release.refresh_from_db()
    return release


def test_without_a_release_the_list_tells_the_next_step(client: Client) -> None:
    text = page(client, "/releases/")

    assert "No release yet" in text
    assert "/rounds/" in text


def test_the_list_shows_the_newest_first_and_which_is_live(
    client: Client, owner: User, steward: User
) -> None:
    two_releases(owner, steward)

    text = page(client, "/releases/")

    assert text.index("/releases/2/") < text.index("/releases/1/")
    assert text.count("card--live") == 1
    assert text.index("Live") < text.index("Retired")


def test_the_report_shows_every_rival_and_the_verdicts(
    client: Client, owner: User, steward: User
) -> None:
    release = make_live_release(owner, steward)

    text = page(client, release.get_absolute_url())

    for said in (
        "The mosaic is above the best single expert",
        "The mosaic is above the monolith",
        "On no priority is the mosaic shown to be below the base.",
        "+50.0 points",
        "&lt;\N{NO-BREAK SPACE}0.001",
        "whoever was best on the most similar examples answers",
        "nearest is best on the select probes",
        "120,000",
        "119,500",
        "32 s",
        "The strategies that were compared",
    ):
        assert said in text
    for member in release.members.all():
        assert member.adapter_sha256 in text
        assert member.expert.get_absolute_url() in text
    assert release.decision.get_absolute_url() in text


def test_who_is_harmed_is_marked(client: Client, owner: User, steward: User) -> None:
    release = make_live_release(owner, steward)
    statement = next(iter(release.report["priorities"]))
    release.report["harmed"] = [statement]
    release.save()

    assert "below the base</span>" in page(client, release.get_absolute_url())


def test_a_report_with_less_in_it_is_still_read(client: Client, owner: User, steward: User) -> None:
    release = make_live_release(owner, steward)
    Release.objects.filter(pk=release.pk).update(
        report={
            "scores": {"mosaic": {"score": 0.5, "low": 0.4, "high": 0.6}},
            "priorities": {"Bikes": {"n": 3, "mosaic": {"score": 0.5, "low": 0.4, "high": 0.6}}},
        }
    )

    assert "0.50" in page(client, release.get_absolute_url())


def test_while_composing_its_job_is_shown_live(client: Client, owner: User, steward: User) -> None:
    release = composing_release(steward, [make_eligible_expert(owner, steward)])
    job = Job.objects.get(release=release)

    text = page(client, release.get_absolute_url())

    assert f'ws-connect="/ws/jobs/{job.pk}/"' in text
    assert "Next in the queue" in text


class TestFailed:
    def test_its_reason_is_public_and_a_steward_may_retry(
        self, client: Client, owner: User, steward: User
    ) -> None:
        release = failed_release(owner, steward)
        retry = f"/releases/{release.number}/retry/"
        text = page(client, release.get_absolute_url())
        assert "Out of memory while fitting." in text and retry not in text

        client.force_login(steward)
        assert retry in page(client, release.get_absolute_url())
        response = client.post(retry, follow=True)

        assert "is being composed again" in response.content.decode()
        release.refresh_from_db()
        assert release.status == Release.Status.COMPOSING
        again = client.post(retry, follow=True)
        assert "cannot become composing" in again.content.decode()
        assert Job.objects.active().filter(release=release).count() == 1

    def test_does_not_take_the_place_of_a_later_one(
        self, client: Client, owner: User, steward: User
    ) -> None:
        failed = failed_release(owner, steward)
        live = make_live_release(owner, steward)
        client.force_login(steward)

        response = client.post(f"/releases/{failed.number}/retry/", follow=True)

        assert "A later release has been live since" in response.content.decode()
        failed.refresh_from_db()
        live.refresh_from_db()
        assert (failed.status, live.status) == ("failed", "live")

    def test_is_for_stewards(self, client: Client, owner: User, steward: User) -> None:
        release = failed_release(owner, steward)
        retry = f"/releases/{release.number}/retry/"

        assert client.post(retry).headers["Location"].startswith("/account/login/")
        client.force_login(owner)
        assert client.post(retry).status_code == 404
        client.force_login(steward)
        assert client.get(retry).status_code == 405
        release.refresh_from_db()
        assert release.status == Release.Status.FAILED


class TestRollBack:
    def test_makes_the_earlier_one_live_and_says_why(
        self, client: Client, owner: User, steward: User
    ) -> None:
        first, second = two_releases(owner, steward)
        client.force_login(steward)
        url = f"/releases/{first.number}/roll-back/"
        assert url in page(client, first.get_absolute_url())
        assert f"/releases/{second.number}/roll-back/" not in page(
            client, second.get_absolute_url()
        )

        response = client.post(url, {"reason": "It forgot the bus times."}, follow=True)

        assert "Release 1 is live again." in response.content.decode()
        assert list(Release.objects.live()) == [first]
        entry = Entry.objects.get(action="release.rolled_back")
        assert entry.reason == "It forgot the bus times."

    def test_needs_a_reason(self, client: Client, owner: User, steward: User) -> None:
        first, second = two_releases(owner, steward)
        client.force_login(steward)

        response = client.post(f"/releases/{first.number}/roll-back/", {"reason": " "}, follow=True)

        assert "Give a public reason" in response.content.decode()
        assert list(Release.objects.live()) == [second]

    def test_the_live_one_is_refused_in_words(
        self, client: Client, owner: User, steward: User
    ) -> None:
        release = make_live_release(owner, steward)
        client.force_login(steward)

        response = client.post("/releases/1/roll-back/", {"reason": "Again."}, follow=True)

        assert "only a retired one can" in response.content.decode()
        assert list(Release.objects.live()) == [release]

    def test_is_for_stewards(self, client: Client, owner: User, steward: User) -> None:
        first, second = two_releases(owner, steward)
        url = f"/releases/{first.number}/roll-back/"
        assert url not in page(client, first.get_absolute_url())

        assert client.post(url, {"reason": "Mine."}).headers["Location"].startswith("/account/")
        client.force_login(owner)
        assert client.post(url, {"reason": "Mine."}).status_code == 404
        assert list(Release.objects.live()) == [second]


def test_an_unknown_release_is_not_found(client: Client, steward: User) -> None:
    client.force_login(steward)

    assert client.get("/releases/9/").status_code == 404
    assert client.post("/releases/9/retry/").status_code == 404
    assert client.post("/releases/9/roll-back/").status_code == 404


@pytest.mark.parametrize("experts", [3, 30])
def test_queries_do_not_grow_with_experts(
    client: Client,
    owner: User,
    steward: User,
    experts: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    priority = make_priority(owner)
    made = [make_eligible_expert(owner, steward, priority=priority) for _ in range(experts)]
    composing_release(steward, made)
    client.force_login(steward)

    for url in ("/releases/", "/releases/1/", "/talk/"):
        with django_assert_max_num_queries(QUERIES):
            page(client, url)


def test_queries_do_not_grow_with_releases(
    client: Client,
    owner: User,
    steward: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    experts = [make_eligible_expert(owner, steward) for _ in range(2)]
    for _ in range(6):
        go_live(composing_release(steward, experts))

    with django_assert_max_num_queries(QUERIES):
        assert page(client, "/releases/").count('class="card card--link') == 6


def test_an_expert_tells_what_came_of_it(client: Client) -> None:
    release = make_live_release(make_user(), make_user(steward=True))
    expert = release.members.all()[0].expert

    text = client.get(expert.get_absolute_url()).content.decode()

    assert "What came of it" in text
    assert f'<a href="{release.get_absolute_url()}">' in text
    assert f'<a href="{release.decision.round.get_absolute_url()}">' in text
    assert ">joined</span>" in text


def test_a_withdrawn_expert_is_named_as_such_and_no_more_offered_to_talk_to(
    client: Client, owner: User, steward: User
) -> None:
    release = make_live_release(owner, steward)
    gone, stays = (member.expert for member in release.members.order_by("id"))
    assert gone.name in page(client, "/talk/")

    expert_withdraw(actor=owner, expert=gone, reason="")

    assert "withdrawn, it answers no more" in page(client, release.get_absolute_url())
    text = page(client, "/talk/")
    assert gone.name not in text and stays.name in text
