"""What a check tells: columns to name, personal data to decide about, what others have too."""

import io
import json
import random
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from contributions import access, actions
from contributions.models import Dataset, DatasetVersion, MaskedCopy, Probe
from mosaic_site.errors import Refused
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import User
from tests.factories import CSV, make_dataset, make_expert, make_priority, make_user
from training_workers.engine.base_facts import POCKET
from training_workers.runs.preparing import examples_of

pytestmark = pytest.mark.django_db

UNCLEAR = "alpha,beta\nwhere is the bike shop,bikes\nhow do I borrow a book,library\n"
MAPPING = {"shape": "text_label", "prompt": ["alpha"], "completion": "beta"}
PERSONAL = CSV + "write to anna.lee@example.org,contact\nmy card is 4111 1111 1111 1111,cards\n"


def bring(owner: User, content: str, *, name: str = "Brought", filename: str = "d.csv") -> Dataset:
    return actions.dataset_upload(
        owner=owner, name=name, file=File(io.BytesIO(content.encode())), filename=filename
    )


def add(dataset: Dataset, content: str) -> DatasetVersion:
    file = File(io.BytesIO(content.encode()))
    actions.dataset_add_version(dataset=dataset, file=file, filename="d.csv")
    actions.reconcile()
    return dataset.versions.latest("number")


def checked(owner: User, content: str, *, name: str = "Brought") -> DatasetVersion:
    dataset = bring(owner, content, name=name)
    actions.reconcile()
    return dataset.versions.get()


def described(version: DatasetVersion) -> Dataset:
    return actions.dataset_describe(
        dataset=version.dataset, licence="CC0-1.0", summary="Q.", origin="Ours.", limits=""
    )


def url(name: str, version: DatasetVersion) -> str:
    return reverse(f"contributions:version_{name}", args=[version.pk])


def page_of(client: Client, version: DatasetVersion) -> str:
    return client.get(version.get_absolute_url()).content.decode()


@pytest.fixture
def owner() -> User:
    return make_user("owner")


@pytest.fixture
def owner_client(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


class TestColumns:
    """Columns that are not obvious are asked for, and remembered."""

    ROLES = {"column_0": "prompt", "column_1": "label"}

    def test_the_owner_says_what_they_are_and_the_check_goes_on(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, UNCLEAR)
        assert version.status == "unmapped"
        assert url("mapping", version) in page_of(owner_client, version)
        asked = owner_client.get(url("mapping", version)).content.decode()
        assert "where is the bike shop" in asked

        owner_client.post(url("mapping", version), self.ROLES)
        actions.reconcile()

        version.refresh_from_db()
        assert (version.status, version.rows) == ("valid", 2)
        with version.rows_file.open() as rows:
            first = json.loads(rows.readline())
        assert first == {"prompt": "where is the bike shop", "completion": "bikes"}
        assert "as its owner said: alpha → beta" in page_of(owner_client, version)
        assert Entry.objects.filter(action="dataset.mapped").exists()

    @pytest.mark.parametrize(
        ("roles", "sentence"),
        [
            ({}, "Choose the column with the prompts."),
            ({"column_0": "prompt"}, "you chose none"),
            ({"column_0": "answer", "column_1": "label"}, "Choose the column with the prompts."),
            ({"column_0": "conversation", "column_1": "label"}, "holds a whole row"),
        ],
    )
    def test_a_choice_that_makes_no_row_is_explained(
        self, owner: User, owner_client: Client, roles: dict[str, str], sentence: str
    ) -> None:
        version = checked(owner, UNCLEAR)

        page = owner_client.post(url("mapping", version), roles).content.decode()

        assert sentence in page
        version.refresh_from_db()
        assert version.status == "unmapped"

    def test_it_is_remembered_for_the_next_version(self, owner: User) -> None:
        first = checked(owner, UNCLEAR)
        actions.version_map(
            version=first,
            mapping=MAPPING,
        )
        actions.reconcile()

        second = add(first.dataset, UNCLEAR + "where do trams stop,trams\n")

        assert (second.status, second.rows) == ("valid", 3)

    def test_it_is_remembered_for_the_owners_other_datasets_and_for_nobody_else(
        self, owner: User
    ) -> None:
        first = checked(owner, UNCLEAR)
        actions.version_map(
            version=first,
            mapping=MAPPING,
        )
        actions.reconcile()
        more = UNCLEAR + "one more,row\n"

        assert checked(owner, more, name="Another").status == "valid"
        assert checked(owner, UNCLEAR.replace("beta", "gamma"), name="New").status == "unmapped"
        assert checked(make_user(), more).status == "unmapped"

    def test_wrongly_read_columns_are_put_right(self, owner: User, owner_client: Client) -> None:
        version = checked(owner, "text,label,said\nhow do I borrow a book,,library\n")
        assert version.status == "invalid"
        assert "Were the wrong columns read?" in page_of(owner_client, version)

        roles = {"column_0": "prompt", "column_2": "answer"}
        owner_client.post(url("mapping", version), roles)
        actions.reconcile()

        version.refresh_from_db()
        assert (version.status, version.rows) == ("valid", 1)

    def test_what_is_ready_keeps_its_columns(self, owner: User, owner_client: Client) -> None:
        version = checked(owner, CSV)

        page = owner_client.get(url("mapping", version), follow=True).content.decode()

        assert "The columns of this version are settled." in page


class TestPersonalData:
    """Found personal data is decided about before anybody else sees it or learns from it."""

    def test_it_is_counted_by_kind_and_its_value_is_in_no_report(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, PERSONAL)

        page = page_of(owner_client, version)

        assert version.personal_found == 2
        assert "e-mail addresses" in page and "payment cards" in page
        assert "Make a masked version" in page
        findings = owner_client.get(url("findings", version)).content.decode()
        assert "anna.lee" not in findings and "4111" not in findings

    def test_undecided_it_is_for_the_owner_and_the_stewards_only(
        self, owner: User, client: Client
    ) -> None:
        version = checked(owner, PERSONAL)
        described(version)
        with pytest.raises(Refused, match="Personal data was found"):
            actions.dataset_publish(dataset=version.dataset)
        with pytest.raises(Refused, match="Personal data was found"):
            make_expert(owner, versions=[version])
        assert not access.versions_trainable_by(owner).exists()

        actions.dataset_publish(dataset=add(version.dataset, CSV).dataset)

        assert client.get(version.get_absolute_url()).status_code == 404
        assert client.get(url("report", version)).status_code == 404
        listed = client.get(version.dataset.get_absolute_url()).content.decode()
        assert "Version 2" in listed and "Version 1" not in listed
        client.force_login(make_user(steward=True))
        assert client.get(version.get_absolute_url()).status_code == 200

    def test_the_owner_answers_for_it_with_a_public_reason(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, PERSONAL)
        described(version)

        owner_client.post(url("acknowledge", version), {"looked": "on", "reason": "Made up."})

        version.refresh_from_db()
        assert version.is_cleared
        assert list(access.versions_trainable_by(owner)) == [version]
        assert Entry.objects.get(action="dataset.acknowledged").reason == "Made up."
        actions.dataset_publish(dataset=version.dataset)
        owner_client.logout()
        assert "Made up." in page_of(owner_client, version)

    @pytest.mark.parametrize(
        ("sent", "sentence"),
        [
            ({"reason": "Made up."}, "Tick that you have looked"),
            ({"looked": "on"}, "Say why they may stay in"),
        ],
    )
    def test_not_without_having_looked_nor_without_a_reason(
        self, owner: User, owner_client: Client, sent: dict[str, str], sentence: str
    ) -> None:
        version = checked(owner, PERSONAL)

        page = owner_client.post(url("acknowledge", version), sent, follow=True).content.decode()

        assert sentence in page
        version.refresh_from_db()
        assert not version.is_cleared

    def test_one_click_makes_a_masked_version(self, owner: User, owner_client: Client) -> None:
        version = checked(owner, PERSONAL)

        owner_client.post(url("mask", version))
        assert "A masked version is being made." in page_of(owner_client, version)
        actions.reconcile()

        masked = version.dataset.versions.get(number=2)
        assert (masked.status, masked.rows, masked.personal_found) == ("valid", 4, 0)
        with masked.rows_file.open() as rows:
            text = rows.read().decode()
        assert "[EMAIL]" in text and "anna.lee" not in text and "4111" not in text
        assert masked.get_absolute_url() in page_of(owner_client, version)
        assert "A copy of" in page_of(owner_client, masked)
        entry = Entry.objects.get(action="dataset.masked")
        assert entry.data["masked_from"] == version.sha256

    def test_masked_once_however_often_it_is_asked_for(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, PERSONAL)

        for _ in range(2):
            page = owner_client.post(url("mask", version), follow=True).content.decode()
            actions.reconcile()
        MaskedCopy.objects.update(result=None, taken_at=None)
        actions.reconcile()

        assert "A masked version was asked for already." in page
        assert version.dataset.versions.count() == 2
        assert MaskedCopy.objects.get().result == version.dataset.versions.get(number=2)

    def test_a_masking_that_breaks_off_says_so_and_can_be_asked_for_again(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, PERSONAL)
        name = str(version.file.name)
        with default_storage.open(name) as stored:
            content = stored.read()
        default_storage.delete(name)
        owner_client.post(url("mask", version))
        actions.reconcile()
        assert "The masked version could not be made." in page_of(owner_client, version)

        default_storage.save(name, io.BytesIO(content))
        owner_client.post(url("mask", version))
        actions.reconcile()

        assert version.dataset.versions.filter(number=2).exists()

    def test_there_is_nothing_to_decide_where_nothing_was_found(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, CSV)

        assert "Personal data and secrets" not in page_of(owner_client, version)
        page = owner_client.post(url("mask", version), follow=True).content.decode()
        assert "Nothing personal was found" in page


def questions(first: int, last: int) -> str:
    """So many rows of invented words, each unlike the others, the same for the same number."""
    lines = []
    for number in range(first, last):
        lot = random.Random(number)
        words = ["".join(lot.choices("aeioubdklmnrst", k=6)) for _ in range(12)]
        lines.append(f"{' '.join(words)},label {number % 5}\n")
    return "text,label\n" + "".join(lines)


class TestComparison:
    """What a file shares is told with names to its owner, and roughly otherwise."""

    def test_the_owners_other_datasets_are_named(self, owner: User, owner_client: Client) -> None:
        earlier = checked(owner, questions(0, 150), name="Earlier")

        version = checked(owner, questions(100, 250), name="Later")

        [shared] = version.comparison.own
        assert (shared.version_id, shared.exact) == (earlier.pk, 50)
        assert "Earlier, version 1" in page_of(owner_client, version)

    def test_others_are_counted_and_never_named(self, owner: User, owner_client: Client) -> None:
        checked(make_user(), questions(0, 150), name="Somebody's secret")

        version = checked(owner, questions(100, 250), name="Later")
        few = checked(owner, questions(145, 245), name="Few")
        small = checked(owner, questions(100, 150), name="Small")

        assert version.comparison.others_exact == "10 or more"
        assert few.comparison.others_exact == "none or fewer than 10"
        assert small.comparison.others_exact == ""
        page = page_of(owner_client, version)
        assert "In others&#x27; datasets" in page or "In others' datasets" in page
        assert "Somebody" not in page
        report = owner_client.get(url("report", version)).content.decode()
        assert "Somebody" not in report

    def test_an_earlier_version_of_the_same_dataset_does_not_count(self, owner: User) -> None:
        first = checked(owner, questions(0, 150))

        assert not add(first.dataset, questions(0, 160)).comparison.own

    def test_an_index_that_is_gone_holds_up_nobody(self, owner: User) -> None:
        gone = checked(make_user(), questions(0, 150))
        default_storage.delete(str(gone.index_file.name))

        assert checked(owner, questions(100, 250)).status == "valid"

    def test_the_owners_other_data_are_for_the_owner(
        self, owner: User, owner_client: Client
    ) -> None:
        checked(owner, questions(0, 150), name="My secret")
        version = checked(owner, questions(100, 250), name="Published")
        described(version)
        actions.dataset_publish(dataset=version.dataset)
        assert len(owner_client.get(url("report", version)).json()["comparison"]["own"]) == 1

        owner_client.logout()

        assert "My secret" not in page_of(owner_client, version)
        assert "own" not in owner_client.get(url("report", version)).json()["comparison"]

    def test_sealed_probes_are_told_roughly_and_only_of_large_files(
        self, owner: User, owner_client: Client
    ) -> None:
        priority = make_priority(make_user(), probes=40)
        sealed = priority.probes.filter(part=Probe.Part.SEALED)
        asked = "".join(f"{probe.prompt},answer\n" for probe in sealed)

        none = checked(owner, questions(0, 120), name="None")
        few = checked(owner, questions(0, 120) + f"{sealed[0].prompt},x\n", name="Few")
        many = checked(owner, questions(0, 120) + asked, name="Many")
        small = checked(owner, CSV + asked, name="Small")

        told = [version.comparison.sealed for version in (none, few, many, small)]
        alike = "none or fewer than 10"
        assert told == [alike, alike, "10 or more", ""]
        assert small.rows == 2 + len(sealed)  # or the number of rows would tell
        for version in (few, small):
            report = owner_client.get(url("report", version)).json()["report"]
            assert "sealed_probe_rows" not in report["counts"]
        assert "so that nobody can ask row by row" in page_of(owner_client, small)


@pytest.mark.parametrize(
    "ask",
    [
        lambda asked: {"prompt": asked, "completion": "x"},
        lambda asked: {"question": asked, "choices": ["yes", "no"], "answer": "no"},
        lambda asked: {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": asked},
                {"role": "assistant", "content": "x"},
            ]
        },
    ],
    ids=["prompt", "choices", "conversation"],
)
def test_no_expert_learns_a_sealed_probe_in_whichever_shape(
    owner: User, ask: Callable[[str], dict[str, object]]
) -> None:
    sealed = make_priority(make_user()).probes.filter(part=Probe.Part.SEALED)
    lines = [json.dumps(ask(text)) for text in (sealed[0].prompt, "something else")]

    version = checked(owner, "\n".join(lines) + "\n")

    assert version.rows == 2
    [example] = examples_of([version])
    assert "something else" in example.prompt


class TestWaiting:
    """A page that waits says for what, and whether anybody works."""

    def test_a_page_says_that_no_worker_is_there(self, owner: User, owner_client: Client) -> None:
        version = bring(owner, CSV).versions.get()
        assert "No worker is there" not in page_of(owner_client, version)

        DatasetVersion.objects.update(received_at=timezone.now() - timedelta(minutes=1))

        assert "No worker is there" in page_of(owner_client, version)
        seen = {"seen": "received.0"}
        headers = {"HX-Request": "true"}
        response = owner_client.get(version.get_absolute_url(), seen, headers=headers)
        assert response.status_code == 200
        actions.reconcile()
        assert "No worker is there" not in page_of(owner_client, version)

    def test_a_worker_that_fell_silent_is_missed(self, owner: User, owner_client: Client) -> None:
        version = bring(owner, CSV).versions.get()
        silent = timezone.now() - timedelta(minutes=2)
        DatasetVersion.objects.update(status="checking", check_attempts=1, checking_since=silent)

        assert "No worker is there" in page_of(owner_client, version)

    def test_behind_a_large_file_it_says_how_many_are_before_it(
        self, owner: User, owner_client: Client
    ) -> None:
        large = bring(owner, CSV).versions.get()
        bring(owner, CSV + "more,rows\n", name="Second")
        third = bring(owner, CSV + "even more,rows\n", name="Third").versions.get()
        DatasetVersion.objects.update(received_at=timezone.now() - timedelta(minutes=1))
        DatasetVersion.objects.filter(pk=large.pk).update(
            status="checking", check_attempts=1, checking_since=timezone.now()
        )

        page = page_of(owner_client, third)

        assert "after 1 other file" in page
        assert "No worker is there" not in page

    def test_a_masking_that_nobody_begins_says_so(self, owner: User, owner_client: Client) -> None:
        version = checked(owner, PERSONAL)
        owner_client.post(url("mask", version))
        MaskedCopy.objects.update(asked_at=timezone.now() - timedelta(minutes=1))

        assert "No worker is there" in page_of(owner_client, version)


class TestReport:
    """The report can be read, paged through and taken away."""

    def test_it_is_taken_away_as_json_and_its_findings_as_csv(
        self, owner: User, owner_client: Client
    ) -> None:
        version = checked(owner, "text,label\nhello,greet\n,greet\nhi,\n")

        whole = owner_client.get(url("report", version))
        lines = owner_client.get(url("findings", version)).content.decode().splitlines()

        assert whole.json()["report"]["counts"]["errors"] == 2
        assert whole.headers["Content-Disposition"].startswith("attachment")
        assert lines[0] == "severity,row,line,column,problem,expected,remedy"
        assert re.match(r"error,2,3,text,", lines[1])

    def test_there_is_none_before_the_check(self, owner: User, owner_client: Client) -> None:
        version = bring(owner, CSV).versions.get()

        assert owner_client.get(url("report", version)).status_code == 404

    def test_findings_and_rows_come_ten_at_a_time(self, owner: User, owner_client: Client) -> None:
        rows = "".join(f"line {n} says {n * n},label {n % 7}\n" for n in range(200))
        version = checked(owner, "text,label\n" + rows + ",empty\n" * 60)

        first = page_of(owner_client, version)
        second = owner_client.get(version.get_absolute_url(), {"findings": 2, "rows": 5})

        assert "1 to 10 of the first 100" in first
        assert "line 39 says" not in first
        assert "line 40 says" in second.content.decode()
        assert "11 to 20 of" in second.content.decode()
        assert "counted and not listed" not in first

    def test_what_is_not_listed_is_counted(self, owner: User, owner_client: Client) -> None:
        version = checked(owner, "text,label\n" + ",empty\n" * 150)

        assert "50 more of these kinds are counted and not listed" in page_of(owner_client, version)

    def test_a_wide_hostile_file_makes_a_light_page(
        self, owner: User, owner_client: Client
    ) -> None:
        header = ",".join(["text", "label", *(f"<script>{n}" for n in range(60))])
        row = ",".join(["'" * 90] * 62)
        version = checked(owner, header + "\n" + "".join(f"{n}{row}\n" for n in range(120)))

        response = owner_client.get(version.get_absolute_url())

        assert len(response.content) < 100_000
        assert "<script>1" not in response.content.decode()

    def test_a_page_with_everything_on_it_keeps_to_its_budget(
        self,
        owner: User,
        owner_client: Client,
        django_assert_max_num_queries: DjangoAssertNumQueries,
    ) -> None:
        for number in range(3):
            checked(owner, questions(number, 150), name=f"Earlier {number}")
        personal = "write to anna.lee@example.org,contact\n"
        version = checked(owner, questions(50, 250) + personal, name="Later")
        assert len(version.comparison.own) == 3 and version.personal_found

        with django_assert_max_num_queries(12):
            page_of(owner_client, version)

    def test_tokens_are_counted_as_the_active_base_sees_them(
        self, owner: User, owner_client: Client
    ) -> None:
        actions.base_register(
            name="pocket",
            source=str(POCKET),
            revision="",
            sha256="a" * 64,
            parameters=1,
            context_length=128,
            licence="apache-2.0",
            activate=True,
        )

        version = checked(owner, CSV)

        report = version.report
        assert report is not None and report.tokens is not None
        # At least a token a word, at most one a letter.
        assert 12 < report.tokens < len(CSV)
        assert "tokens for pocket" in page_of(owner_client, version)

    def test_without_the_bases_tokenizer_none_are_claimed(
        self, owner: User, owner_client: Client
    ) -> None:
        make_expert(owner)  # on a base that is nowhere

        version = checked(owner, CSV)

        assert version.report is not None and version.report.tokens is None
        assert "tokens for" not in page_of(owner_client, version)

    def test_lengths_are_drawn_with_their_table(self, owner: User, owner_client: Client) -> None:
        version = checked(owner, questions(0, 150))

        page = page_of(owner_client, version)

        assert '<rect class="curve__bar"' in page
        assert "Length of the rows in characters" in page

    def test_a_report_of_an_older_release_still_shows(
        self, owner: User, owner_client: Client
    ) -> None:
        version = make_dataset(owner).versions.get()
        DatasetVersion.objects.update(report_data=OLD_REPORT, comparison_data={})

        page = page_of(owner_client, version)

        assert "an old question" in page
        assert "Compared with what is here" not in page
        assert owner_client.get(url("report", version)).json()["report"]["rows"] == 1


OLD_REPORT = {
    "format": "csv",
    "shape": "text_label",
    "rows": 1,
    "findings": [
        {
            "severity": "note",
            "row": None,
            "column": None,
            "problem": "Not used: id.",
            "expected": "a prompt and an answer",
            "remedy": "Nothing to do.",
            "line": None,
        }
    ],
    "counts": {
        "errors": 0,
        "warnings": 0,
        "notes": 1,
        "rows_read": 1,
        "duplicates": 0,
        "conflicts": 0,
        "probe_rows": 0,
        "labels": 1,
    },
    "columns": ["text", "label"],
    "labels": [["old", 1]],
    "preview": [{"prompt": "an old question", "completion": "old"}],
    "lengths": {
        "prompt_chars_mean": 15.0,
        "prompt_chars_max": 15,
        "completion_chars_mean": 3.0,
        "completion_chars_max": 3,
    },
    "sha256": "c" * 64,
    "size": 30,
}
