"""What changed between two versions: counted by law, and shown on a page."""

import io
import json
from collections.abc import Sequence

import pytest
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from contributions import actions
from contributions.differences import MOST_SHOWN, Opened, Row, differences
from contributions.models import Dataset
from tests.factories import CSV, make_dataset, make_user

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=3)
ROWS = st.lists(st.builds(Row, TEXTS, TEXTS), max_size=8)


def stored(rows: Sequence[Row], **style: bool) -> Opened:
    lines = [json.dumps(row._asdict(), **style) + "\n" for row in rows]  # type: ignore[arg-type]
    return lambda: io.BytesIO("".join(lines).encode())


class TestLaws:
    @given(ROWS, ROWS)
    def test_it_is_what_sets_say(self, old: list[Row], new: list[Row]) -> None:
        found = differences(stored(old), stored(new))

        assert (found.kept, found.added, found.removed) == (
            len(set(new) & set(old)),
            len(set(new) - set(old)),
            len(set(old) - set(new)),
        )
        assert set(found.first_added) == set(new) - set(old)
        assert set(found.first_removed) == set(old) - set(new)

    @given(ROWS, ROWS)
    def test_backwards_it_is_the_other_way_round(self, old: list[Row], new: list[Row]) -> None:
        there, back = differences(stored(old), stored(new)), differences(stored(new), stored(old))

        assert (there.first_added, there.first_removed) == (back.first_removed, back.first_added)
        assert there.kept == back.kept

    @given(ROWS)
    def test_how_a_row_is_written_does_not_matter(self, rows: list[Row]) -> None:
        found = differences(stored(rows, ensure_ascii=False), stored(rows[::-1], ensure_ascii=True))

        assert (found.added, found.removed) == (0, 0)

    def test_the_first_are_shown_in_the_order_of_the_file(self) -> None:
        rows = [Row(f"question {number}", "answer") for number in range(200)]

        found = differences(stored(rows[:3]), stored(rows))

        assert found.added == 197
        assert found.first_added == rows[3 : 3 + MOST_SHOWN]


@pytest.mark.django_db
class TestPage:
    def add(self, dataset: Dataset, content: str) -> None:
        file = File(io.BytesIO(content.encode()), name="data.csv")
        actions.dataset_add_version(dataset=dataset, file=file, filename="data.csv")
        actions.reconcile()

    def page(self, client: Client, dataset: Dataset, **asked: int | str) -> str:
        url = reverse("contributions:dataset_diff", args=[dataset.pk])
        return client.get(url, asked).content.decode()

    def test_the_newest_two_are_compared(self, client: Client) -> None:
        dataset = make_dataset(make_user(), content=CSV)
        client.force_login(dataset.owner)
        self.add(dataset, CSV + "one cell\n")
        self.add(dataset, CSV.replace("where is the bike shop", "where is <b>my</b> bike"))

        page = self.page(client, dataset)

        assert page.count("<dd>1</dd>") == 3
        assert "where is &lt;b&gt;my&lt;/b&gt; bike" in page
        assert "where is the bike shop" in page
        assert (
            "Added: what only version 3 has" in page and "Removed: what only version 1 has" in page
        )

    def test_any_two_are_compared_either_way(self, client: Client) -> None:
        dataset = make_dataset(make_user(), content=CSV)
        client.force_login(dataset.owner)
        self.add(dataset, CSV + "one,more\n")

        page = self.page(client, dataset, old=2, new=1)

        assert "Removed: what only version 2 has" in page
        assert "Added:" not in page
        assert "Both versions have the same rows." in self.page(client, dataset, old=1, new=1)

    @pytest.mark.parametrize("asked", [{"old": 7}, {"old": "x"}, {"new": ""}])
    def test_a_version_that_is_not_there_is_said(
        self, client: Client, asked: dict[str, int | str]
    ) -> None:
        dataset = make_dataset(make_user())
        client.force_login(dataset.owner)
        self.add(dataset, CSV)

        page = self.page(client, dataset, **asked)

        assert "no such version" in page or "This field is required" in page
        assert "rows added" not in page

    def test_with_one_version_there_is_nothing_to_compare(self, client: Client) -> None:
        dataset = make_dataset(make_user())
        client.force_login(dataset.owner)

        assert "There is nothing to compare yet" in self.page(client, dataset)

    def test_files_too_large_to_wait_for_are_not_compared(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("contributions.views.differences.MOST_BYTES", 100)
        dataset = make_dataset(make_user(), content=CSV)
        client.force_login(dataset.owner)
        self.add(dataset, CSV + "one,more\n")

        assert "too large to be compared row by row" in self.page(client, dataset)

    def test_what_was_found_is_remembered_and_erased_rows_are_missing(self, client: Client) -> None:
        dataset = make_dataset(make_user())
        client.force_login(dataset.owner)
        self.add(dataset, CSV)
        self.add(dataset, CSV + "one,more\n")
        url = reverse("contributions:dataset_diff", args=[dataset.pk])
        before = self.page(client, dataset)

        default_storage.delete(str(dataset.versions.get(number=3).rows_file.name))

        assert "rows added" in before and "rows added" in self.page(client, dataset)
        assert client.get(url, {"old": 1, "new": 3}).status_code == 404
