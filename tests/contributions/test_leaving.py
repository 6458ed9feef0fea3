"""Withdrawing data and experts through their pages, and the erasing of what was withdrawn."""

from datetime import timedelta

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from contributions import actions
from contributions.models import Dataset, DatasetVersion, Expert
from mosaic_site.ledger.chain import verify
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from mosaic_site.notices.models import Notice
from tests.factories import make_dataset, make_eligible_expert, make_expert, make_user
from tests.training_workers.makers import composing_release, go_live, provisional_round
from training_workers.models import Release

pytestmark = pytest.mark.django_db

REASON = "The people in it asked me to."


@pytest.fixture
def owner() -> User:
    return make_user("ada")


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


@pytest.fixture
def client(owner: User) -> Client:
    """Signed in as the owner."""
    client = Client()
    client.force_login(owner)
    return client


def url(thing: Dataset | DatasetVersion | Expert) -> str:
    name = {Dataset: "dataset", DatasetVersion: "version", Expert: "expert"}[type(thing)]
    return reverse(f"contributions:{name}_withdraw", args=[thing.pk])


def shared_dataset(owner: User) -> Dataset:
    return actions.dataset_publish(dataset=make_dataset(owner))


def later(days: float) -> None:
    """Let the site look again so many days from now."""
    with time_machine.travel(timezone.now() + timedelta(days=days), tick=False):
        actions.reconcile_leaving()


class TestSeeingFirst:
    def test_who_depends_on_it(self, client: Client, owner: User, steward: User) -> None:
        dataset = shared_dataset(owner)
        mine = make_expert(owner, versions=list(dataset.versions.all()))
        theirs = make_expert(make_user("eve"), versions=list(dataset.versions.all()))
        unrelated = make_expert(owner)

        page = client.get(url(dataset)).content.decode()

        assert mine.name in page and theirs.name in page and unrelated.name not in page
        assert "eve" in page and "1 of these experts is another member" in page
        assert "After 14 days" in page and "This is final" in page
        assert Entry.objects.filter(action="dataset.withdrawn").count() == 0

    def test_rounds_and_releases_and_which_is_live(
        self, client: Client, owner: User, steward: User
    ) -> None:
        expert = make_eligible_expert(owner, steward)
        release = go_live(composing_release(steward, [expert]))
        round_ = provisional_round(steward, [expert], title="Spring")

        page = client.get(url(expert)).content.decode()

        assert release.get_absolute_url() in page and "This one is live" in page
        assert round_.get_absolute_url() in page and "Spring" in page

    def test_nothing_depends_on_it(self, client: Client, owner: User) -> None:
        page = client.get(url(make_dataset(owner))).content.decode()

        assert "No expert has learnt from it." in page and "Where they stand" not in page


class TestWithdrawing:
    def test_a_dataset_takes_along_what_learnt_from_it_and_others_are_told(
        self, client: Client, owner: User
    ) -> None:
        dataset = shared_dataset(owner)
        mine = make_expert(owner, versions=list(dataset.versions.all()))
        theirs = make_expert(make_user("eve"), versions=list(dataset.versions.all()))

        page = client.post(url(dataset), {"reason": REASON}, follow=True).content.decode()

        assert f"{dataset} is withdrawn, and with it 2 experts." in page
        for expert in (mine, theirs):
            expert.refresh_from_db()
            assert expert.status == "withdrawn" and REASON in expert.status_reason
        told = Notice.objects.get()
        assert told.member == theirs.owner and REASON in told.text and theirs.name in told.text
        assert told.url == theirs.get_absolute_url()
        assert Client().get(dataset.get_absolute_url()).status_code == 404
        assert verify().broken is None

    def test_one_version_leaves_the_others(self, client: Client, owner: User) -> None:
        dataset = make_dataset(owner)
        first = dataset.versions.get()
        learnt = make_expert(owner, versions=[first])
        other = make_expert(owner)

        client.post(url(first), {"reason": REASON})

        first.refresh_from_db()
        learnt.refresh_from_db()
        other.refresh_from_db()
        assert (first.status, learnt.status, other.status) == (
            "withdrawn", "withdrawn", "submitted",
        )  # fmt: skip
        page = client.get(first.get_absolute_url()).content.decode()
        assert REASON in page and "how do I borrow a book" not in page
        assert first.sha256 in page

    def test_what_was_withdrawn_is_no_more_offered(self, client: Client, owner: User) -> None:
        dataset = make_dataset(owner)
        client.post(url(dataset), {"reason": REASON})

        page = client.get(reverse("contributions:expert_new")).content.decode()
        again = client.get(url(dataset), follow=True).content.decode()

        assert str(dataset.versions.get()) not in page
        assert "is withdrawn already" in again
        assert url(dataset) not in client.get(dataset.get_absolute_url()).content.decode()

    @pytest.mark.parametrize("make", [make_dataset, make_expert])
    def test_needs_a_reason(self, client: Client, owner: User, make: type) -> None:
        thing = make(owner)

        page = client.post(url(thing), {"reason": "  "}).content.decode()

        assert "This field is required" in page
        assert not Entry.objects.filter(action__endswith=".withdrawn").exists()

    def test_an_expert_in_training(self, client: Client, owner: User, steward: User) -> None:
        expert = actions.expert_approve(steward=steward, expert=make_expert(owner))
        actions.expert_begin_training(expert=expert)

        page = client.post(url(expert), {"reason": REASON}, follow=True).content.decode()

        assert "No later release contains it." in page and REASON in page
        expert.refresh_from_db()
        assert expert.status == "withdrawn"

    def test_by_a_steward(self, steward: User) -> None:
        client, dataset = Client(), make_dataset(make_user())
        client.force_login(steward)

        client.post(url(dataset), {"reason": "It breaks the law."})

        assert dataset.versions.get().status == "withdrawn"
        assert Entry.objects.get(action="dataset.withdrawn").actor == steward

    def test_only_ones_own(self, owner: User) -> None:
        stranger = Client()
        stranger.force_login(make_user())

        for thing in (shared_dataset(owner), make_expert(owner)):
            assert stranger.post(url(thing), {"reason": REASON}).status_code == 404

    def test_before_its_check_which_then_finds_nothing_to_do(self, owner: User) -> None:
        dataset = actions.dataset_upload(
            owner=owner, name="new", file=ContentFile(b"text,intent\na,b\n"), filename="new.csv"
        )
        actions.dataset_withdraw(actor=owner, dataset=dataset, reason=REASON)

        actions.reconcile()

        version = dataset.versions.get()
        assert (version.status, bool(version.rows_file)) == ("withdrawn", False)

    def test_an_expert_submitted_in_the_same_moment_goes_too(self, owner: User) -> None:
        expert = make_expert(owner)
        expert.versions.update(status="withdrawn")

        actions.reconcile_leaving()

        expert.refresh_from_db()
        assert expert.status == "withdrawn"

    def test_the_same_may_be_brought_again_as_something_new(self, owner: User) -> None:
        content = "text,intent\na,b\nc,d\n"
        first = make_dataset(owner, content=content)
        actions.dataset_withdraw(actor=owner, dataset=first, reason=REASON)

        again = make_dataset(owner, content=content)

        assert again.versions.get().status == "valid"


class TestErasing:
    def test_files_go_when_the_days_are_over_and_hashes_stay(self, owner: User) -> None:
        dataset = make_dataset(owner)
        version = dataset.versions.get()
        files = [str(version.file), str(version.rows_file)]
        actions.dataset_withdraw(actor=owner, dataset=dataset, reason=REASON)

        later(days=13.9)
        assert all(default_storage.exists(name) for name in files)
        later(days=14.1)
        later(days=14.2)

        assert not any(default_storage.exists(name) for name in files)
        version.refresh_from_db()
        assert not version.file and not version.rows_file and version.erased_at
        erased = Entry.objects.get(action="dataset.erased")
        assert erased.data == {"sha256": version.sha256}
        assert verify().broken is None

    def test_the_days_are_a_setting(self, owner: User, settings: Settings) -> None:
        settings.MOSAIC_ERASE_AFTER_DAYS = 0
        dataset = make_dataset(owner)
        actions.dataset_withdraw(actor=owner, dataset=dataset, reason=REASON)

        actions.reconcile_leaving()

        assert dataset.versions.get().erased_at

    def test_what_stands_is_never_erased(self, owner: User) -> None:
        version = make_dataset(owner).versions.get()

        actions.version_erase(version=version)
        later(days=1000)

        version.refresh_from_db()
        assert version.erased_at is None and default_storage.exists(str(version.file))

    def test_a_voted_out_expert_is_erased_only_when_its_data_is_withdrawn(
        self, owner: User, steward: User
    ) -> None:
        expert = make_eligible_expert(owner, steward)
        actions.expert_retire(expert=expert, reason="Voted out.")
        assert not Expert.objects.exclude(withdrawn_at=None)

        dataset = expert.versions.get().dataset
        actions.dataset_withdraw(actor=owner, dataset=dataset, reason=REASON)

        expert.refresh_from_db()
        assert expert.status_reason == "Voted out."
        assert Expert.objects.exclude(withdrawn_at=None).get() == expert


def test_the_release_page_says_who_left(client: Client, owner: User, steward: User) -> None:
    gone, stays = make_eligible_expert(owner, steward), make_eligible_expert(owner, steward)
    release: Release = go_live(composing_release(steward, [gone, stays]))

    client.post(url(gone), {"reason": REASON})

    page = client.get(release.get_absolute_url()).content.decode()
    assert "withdrawn, it answers no more" in page
