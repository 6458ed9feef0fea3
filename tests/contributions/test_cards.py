"""The card of a dataset: written in a form, shown safely, and read by the Hub's own library."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from huggingface_hub import DatasetCard
from hypothesis import given
from hypothesis import strategies as st

from contributions.card import as_html
from contributions.licences import LICENCES
from contributions.models import Dataset
from tests.factories import make_dataset, make_expert, make_user
from tests.training_workers.makers import make_live_release

pytestmark = pytest.mark.django_db

WRITTEN = {
    "licence": "CC-BY-SA-4.0",
    "summary": "Questions at our **desk**.",
    "origin": "Written by us:\n\n- in winter\n- in spring",
    "limits": "No weekends.",
    "credit": "The City Library",
    "languages": "English, de , gsw",
    "tasks": ["question-answering", "text-classification"],
    "tags": "Opening hours, library, Library",
}


@pytest.fixture
def dataset() -> Dataset:
    return make_dataset(make_user("ada"), name="Desk: 100 %", described=False)


def write(client: Client, dataset: Dataset, **changes: object) -> str:
    client.force_login(dataset.owner)
    url = reverse("contributions:dataset_card", args=[dataset.pk])
    return client.post(url, WRITTEN | changes, follow=True).content.decode()


def readme(client: Client, dataset: Dataset) -> tuple[dict[str, Any], str]:
    """Head and text of the card, as the Hub's library reads them."""
    response = client.get(reverse("contributions:dataset_readme", args=[dataset.pk]))
    assert response.headers["Content-Disposition"] == 'attachment; filename="README.md"'
    card = DatasetCard(response.content.decode())
    head: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    return head, card.text


def test_the_hub_reads_what_was_written(client: Client, dataset: Dataset) -> None:
    write(client, dataset)

    head, text = readme(client, dataset)

    assert head == {
        "pretty_name": "Desk: 100 %",
        "license": "cc-by-sa-4.0",
        "language": ["en", "de", "gsw"],
        "task_categories": ["question-answering", "text-classification"],
        "tags": ["opening-hours", "library"],
        "size_categories": ["n<1K"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "desk-100-v1.rows.jsonl"}],
            }
        ],
    }
    assert "# Desk: 100 %\n\nQuestions at our **desk**." in text
    assert "## Whom to credit\n\nThe City Library" in text
    assert dataset.versions.get().sha256 in text


@pytest.mark.parametrize("licence", LICENCES)
def test_every_licence_is_one_that_the_hub_takes(
    client: Client, dataset: Dataset, licence: str
) -> None:
    write(client, dataset, licence=licence)

    data, _ = readme(client, dataset)

    assert data["license"] == LICENCES[licence].hub
    assert (data["license"] == "other") == ("license_name" in data and "license_link" in data)


def test_without_a_card_the_head_says_only_what_is_known(client: Client, dataset: Dataset) -> None:
    client.force_login(dataset.owner)

    head, _ = readme(client, dataset)

    assert head.keys() == {
        "pretty_name",
        "size_categories",
        "configs",
    }


def test_the_page_shows_it_and_the_form_keeps_it(client: Client, dataset: Dataset) -> None:
    write(client, dataset)

    page = client.get(dataset.get_absolute_url()).content.decode()
    form = client.get(reverse("contributions:dataset_card", args=[dataset.pk])).content.decode()

    for shown in (
        "Questions at our <strong>desk</strong>.",
        "<li>in winter</li>",
        "English, German, gsw",
        "Question answering",
        "opening-hours, library",
        "https://spdx.org/licenses/CC-BY-SA-4.0.html",
    ):
        assert shown in page
    assert 'value="en, de, gsw"' in form
    assert form.count("checked") == 2


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"languages": "en, Quenyan"}, "Not known as a language: Quenyan."),
        ({"tags": ", ".join(f"t{number}" for number in range(11))}, "These are 11 tags"),
        ({"tasks": ["world-peace"]}, "Select a valid choice"),
        ({"licence": "Beerware"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_taken_is_said_and_nothing_is_lost(
    client: Client, dataset: Dataset, changes: dict[str, object], sentence: str
) -> None:
    page = write(client, dataset, **changes)

    assert sentence in page
    assert "Questions at our **desk**." in page
    dataset.refresh_from_db()
    assert dataset.licence == ""


def test_nothing_a_member_writes_is_html(client: Client, dataset: Dataset) -> None:
    write(
        client,
        dataset,
        summary='<script>alert(1)</script> <img src=x onerror="alert(1)">',
        origin="[click](javascript:alert(1)) ![](https://example.org/pixel.png)",
        credit="<b>me</b>",
    )

    page = client.get(dataset.get_absolute_url()).content.decode()

    assert "<script>alert" not in page
    assert "<img" not in page
    assert "javascript:" not in page.replace("(javascript:alert(1))", "")
    assert "&lt;b&gt;me&lt;/b&gt;" in page


MARKUP = st.sampled_from(
    [
        "<",
        ">",
        "&",
        '"',
        "[a](",
        ")",
        "javascript:",
        "data:",
        "`",
        "\n",
        "- ",
        "![",
        "<svg/onload=",
        "x",
    ]
)


@given(st.lists(MARKUP, max_size=30).map("".join))
def test_whatever_is_written_only_the_allowed_tags_come_out(markdown: str) -> None:
    html = as_html(markdown)

    for part in html.split("<")[1:]:
        name = part.lstrip("/").split(">")[0].split(" ")[0]
        assert name in {
            "p",
            "br",
            "ul",
            "ol",
            "li",
            "em",
            "strong",
            "s",
            "code",
            "pre",
            "a",
            "hr",
            "blockquote",
        }
    assert 'href="javascript:' not in html and 'href="data:' not in html


class TestUses:
    """Data names all that came of it."""

    def test_experts_rounds_and_releases(self, client: Client) -> None:
        owner = make_user()
        release = make_live_release(owner, make_user(steward=True))
        expert = release.members.all()[0].expert
        version = expert.versions.get()
        client.force_login(owner)

        for url in (version.dataset.get_absolute_url(), version.get_absolute_url()):
            page = client.get(url).content.decode()
            for used_in in (expert, release.decision.round, release):
                assert f'<a href="{used_in.get_absolute_url()}">' in page

    def test_others_data_names_nothing_of_it(self, client: Client) -> None:
        owner = make_user()
        expert = make_expert(owner)
        other = make_dataset(owner)
        client.force_login(owner)

        page = client.get(other.get_absolute_url()).content.decode()

        assert expert.get_absolute_url() not in page
        assert "No expert learns from it yet." in page
