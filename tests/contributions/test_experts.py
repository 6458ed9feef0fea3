"""Submitting, judging, resubmitting and withdrawing experts, through the pages."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from contributions import actions
from contributions.models import DatasetVersion, Expert, Priority
from mosaic_site.members.models import User
from tests.factories import (
    make_base,
    make_dataset,
    make_eligible_expert,
    make_expert,
    make_priority,
    make_user,
)

pytestmark = pytest.mark.django_db

NEW = reverse("contributions:expert_new")


def form(priority: Priority, *versions: DatasetVersion, **changes: object) -> dict[str, object]:
    return {
        "once": str(uuid.uuid4()),
        "name": "Library desk",
        "purpose": "Answers questions about lending.",
        "priority": priority.pk,
        "versions": [version.pk for version in versions],
        "thoroughness": "normal",
        "rank": "32",
        "learning_rate": "",
        "seed": "0",
    } | changes


def url_of(verb: str, expert: Expert) -> str:
    return reverse(f"contributions:expert_{verb}", args=[expert.pk])


@pytest.fixture
def owner(client: Client) -> User:
    owner = make_user("owner")
    client.force_login(owner)
    return owner


class TestSubmitting:
    def test_submitted_and_waiting_for_a_steward(self, client: Client, owner: User) -> None:
        make_base()
        priority, version = make_priority(owner), make_dataset(owner).versions.get()

        response = client.post(NEW, form(priority, version))

        expert = Expert.objects.get()
        assert response.headers["Location"] == expert.get_absolute_url()
        assert (expert.owner, expert.priority, expert.status) == (owner, priority, "submitted")
        assert list(expert.versions.all()) == [version]
        assert expert.recipe == {}

    def test_the_knobs_make_the_recipe(self, client: Client, owner: User) -> None:
        make_base()
        sent = form(
            make_priority(owner),
            make_dataset(owner).versions.get(),
            thoroughness="quick",
            rank="8",
            learning_rate="0.001",
            seed="7",
        )

        page = client.post(NEW, sent, follow=True).content.decode()

        assert Expert.objects.get().recipe == {
            "passes": 10,
            "max_tokens": 80_000,
            "rank": 8,
            "alpha": 16,
            "learning_rate": 0.001,
            "seed": 7,
        }
        assert "Learning rate: 0.001" in page

    def test_the_way_from_the_data_prefills_the_form(self, client: Client, owner: User) -> None:
        make_base()
        priority, version = make_priority(owner), make_dataset(owner).versions.get()
        make_priority(owner)

        page = client.get(NEW, {"dataset": version.pk, "priority": priority.pk}).content.decode()

        assert f'<option value="{priority.pk}" selected>' in page
        assert page.count("checked") == 2  # the data, and the usual thoroughness

    def test_without_data_it_is_refused_and_what_was_typed_is_kept(
        self, client: Client, owner: User
    ) -> None:
        make_base()
        make_dataset(owner)

        page = client.post(NEW, form(make_priority(owner))).content.decode()

        assert "Choose at least one: an expert learns from data." in page
        assert "Answers questions about lending." in page
        assert not Expert.objects.exists()

    def test_the_name_is_taken(self, client: Client, owner: User) -> None:
        expert = make_expert(owner, name="Library desk")

        page = client.post(NEW, form(expert.priority, expert.versions.get())).content.decode()

        assert "You have an expert called “Library desk” already." in page
        assert "Answers questions about lending." in page

    def test_a_double_click_submits_once(self, client: Client, owner: User) -> None:
        make_base()
        sent = form(make_priority(owner), make_dataset(owner).versions.get())

        first, second = client.post(NEW, sent), client.post(NEW, sent)

        assert Expert.objects.count() == 1
        assert first.headers["Location"] == second.headers["Location"]

    def test_private_data_of_others_cannot_be_learnt(self, client: Client, owner: User) -> None:
        make_base()
        mine = make_dataset(owner).versions.get()
        private = make_dataset(make_user(), name="Their secret").versions.get()

        page = client.post(NEW, form(make_priority(owner), mine, private)).content.decode()

        assert "is not one of the available choices" in page
        assert "Their secret" not in page
        assert not Expert.objects.exists()

    def test_published_data_of_others_can(self, client: Client, owner: User) -> None:
        make_base()
        dataset = make_dataset(make_user())
        actions.dataset_publish(dataset=dataset)

        client.post(NEW, form(make_priority(owner), dataset.versions.get()))

        assert Expert.objects.get().owner == owner

    def test_answers_that_the_data_never_show_are_named(self, client: Client, owner: User) -> None:
        make_base()
        priority = actions.priority_declare(
            owner=owner,
            statement="Know the shop",
            probes=[
                actions.ProbeText(f"question {number}", "library" if number % 2 else "opera", "fit")
                for number in range(10)
            ],
        )

        sent = form(priority, make_dataset(owner).versions.get())
        page = client.post(NEW, sent, follow=True).content.decode()

        assert "Never seen in its data, but expected by the open probes" in page
        assert "<code>opera</code>" in page
        assert "<code>library</code>" not in page


class TestTheStepBefore:
    """Whoever cannot submit yet is told what is missing, and led there."""

    def page(self, client: Client) -> str:
        return client.get(NEW).content.decode()

    def test_no_base(self, client: Client, owner: User) -> None:
        assert "no base is active yet" in self.page(client)

    def test_no_priority(self, client: Client, owner: User) -> None:
        make_base()

        assert reverse("contributions:priority_new") in self.page(client)

    def test_no_data(self, client: Client, owner: User) -> None:
        make_base()
        make_priority(owner)

        assert reverse("contributions:dataset_new") in self.page(client)

    def test_no_card(self, client: Client, owner: User) -> None:
        make_base()
        make_priority(owner)
        dataset = make_dataset(owner, described=False)

        assert reverse("contributions:dataset_card", args=[dataset.pk]) in self.page(client)

    def test_data_with_errors(self, client: Client, owner: User) -> None:
        make_base()
        make_priority(owner)
        dataset = make_dataset(owner, content="text,intent\n,greet\n")

        page = self.page(client)

        assert reverse("contributions:dataset_version_new", args=[dataset.pk]) in page

    def test_data_still_being_checked(self, client: Client, owner: User) -> None:
        make_base()
        make_priority(owner)
        dataset = make_dataset(owner, described=False)
        dataset.versions.update(status="received")

        page = self.page(client)

        assert "is being checked" in page
        assert dataset.versions.get().get_absolute_url() in page

    def test_data_asked_for_lacks_its_card(self, client: Client, owner: User) -> None:
        make_base()
        make_priority(owner)
        make_dataset(owner)
        lacking = make_dataset(owner, described=False, name="No card")

        page = client.get(NEW, {"dataset": lacking.versions.get().pk}).content.decode()

        assert "No card, version 1 cannot be learnt from yet" in page
        assert reverse("contributions:dataset_card", args=[lacking.pk]) in page


class TestJudging:
    def test_approved_for_training(self, client: Client) -> None:
        expert = make_expert(make_user())
        client.force_login(make_user(steward=True))
        assert "Approve for training" in client.get(expert.get_absolute_url()).content.decode()

        client.post(url_of("approve", expert))

        expert.refresh_from_db()
        assert expert.status == "approved"

    def test_a_second_click_is_told_that_it_was_late(self, client: Client) -> None:
        expert = make_expert(make_user())
        client.force_login(make_user(steward=True))
        client.post(url_of("approve", expert))

        page = client.post(url_of("approve", expert), follow=True).content.decode()

        assert "This expert is approved now, so it cannot become approved." in page

    def test_returned_with_a_reason_that_everybody_reads(self, client: Client) -> None:
        expert = make_expert(make_user())
        client.force_login(make_user(steward=True))

        client.post(url_of("return", expert), {"reason": "Bring lending rules too."})

        client.logout()
        page = client.get(expert.get_absolute_url()).content.decode()
        assert page.count("Bring lending rules too.") == 3  # banner, step, ledger

    def test_not_returned_without_a_reason(self, client: Client) -> None:
        expert = make_expert(make_user())
        client.force_login(make_user(steward=True))

        page = client.post(url_of("return", expert), {"reason": ""}, follow=True).content.decode()

        expert.refresh_from_db()
        assert expert.status == "submitted"
        assert "Give a public reason" in page

    def test_a_reason_that_is_too_long_is_refused(self, client: Client) -> None:
        expert = make_expert(make_user())
        client.force_login(make_user(steward=True))

        page = client.post(url_of("return", expert), {"reason": "x" * 2001}, follow=True)

        assert "at most 2000 characters" in page.content.decode()

    def test_resubmitted_changed(self, client: Client, owner: User) -> None:
        expert = make_expert(owner)
        actions.expert_return(steward=make_user(steward=True), expert=expert, reason="More data.")
        more = make_dataset(owner).versions.get()
        url = url_of("resubmit", expert)
        assert url in client.get(expert.get_absolute_url()).content.decode()
        assert "More data." in client.get(url).content.decode()
        sent = form(expert.priority, expert.versions.get(), more, purpose="Answers more.")

        client.post(url, sent)

        expert.refresh_from_db()
        assert (expert.status, expert.purpose, expert.status_reason) == (
            "submitted",
            "Answers more.",
            "",
        )
        assert expert.versions.count() == 2

    def test_what_failed_is_brought_again_with_another_recipe(
        self, client: Client, owner: User
    ) -> None:
        expert = make_expert(owner)
        expert = actions.expert_approve(steward=make_user(steward=True), expert=expert)
        expert = actions.expert_begin_training(expert=expert)
        actions.expert_fail(expert=expert, reason="Try a lower learning rate.")

        client.post(
            url_of("resubmit", expert),
            form(expert.priority, expert.versions.get(), learning_rate="0.001"),
        )

        expert.refresh_from_db()
        assert (expert.status, expert.recipe) == ("submitted", {"learning_rate": 0.001})

    def test_what_waits_cannot_be_resubmitted(self, client: Client, owner: User) -> None:
        expert = make_expert(owner)

        page = client.get(url_of("resubmit", expert), follow=True).content.decode()

        assert "This expert is submitted now, so it cannot become submitted." in page


class TestReading:
    def test_the_evidence_stands_beside_the_base(self, client: Client) -> None:
        expert = make_eligible_expert(make_user(), make_user(steward=True))
        Expert.objects.filter(pk=expert.pk).update(
            evidence=expert.evidence
            | {
                "others": [
                    {
                        "priority": 99,
                        "statement": "Sort bank messages",
                        "n": 7,
                        "score": 0.2,
                        "low": 0.05,
                        "high": 0.4,
                        "base": 0.1,
                    }
                ]
            }
        )

        page = client.get(expert.get_absolute_url()).content.decode()

        assert "0.80" in page and "(0.60–0.90)" in page and "0.10" in page
        assert "Sort bank messages" in page and "(0.05–0.40)" in page
        assert "0.48 MiB" in page
        assert expert.adapter_sha256 in page

    def test_private_data_is_neither_named_nor_linked(self, client: Client) -> None:
        expert = make_expert(make_user())
        version = expert.versions.get()

        page = client.get(expert.get_absolute_url()).content.decode()

        assert "a private dataset, 3 rows, CC-BY-4.0" in page
        assert version.dataset.name not in page
        assert version.get_absolute_url() not in page

    def test_filtered_by_what_became_of_it(self, client: Client) -> None:
        owner, steward = make_user(), make_user(steward=True)
        make_eligible_expert(owner, steward, name="On ballot")
        make_expert(owner, name="In waiting")
        url = reverse("contributions:expert_list")

        def names(status: str) -> list[bool]:
            page = client.get(url, {"status": status}).content.decode()
            return ["On ballot</a>" in page, "In waiting</a>" in page]

        assert names("all") == [True, True]
        assert names("eligible") == [True, False]
        assert names("submitted") == [False, True]
        assert names("nonsense") == [True, True]

    def test_back_links_from_the_data(self, client: Client, owner: User) -> None:
        expert = make_expert(owner, name="Library desk")

        page = client.get(expert.versions.get().get_absolute_url()).content.decode()

        assert expert.get_absolute_url() in page
