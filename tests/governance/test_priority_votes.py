"""Saying whether a priority matters, what is shown of it, and merging two that are one."""

from collections import Counter

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from contributions.models import Priority
from governance.models import PriorityVote
from governance.support import support_among, support_of, weights
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import MemberGroup, User
from tests.factories import make_expert, make_priority, make_user
from tests.governance.conftest import signed_in

pytestmark = pytest.mark.django_db

LIST = reverse("contributions:priority_list")


def say(person: User, priority: Priority, value: str, **fields: str) -> str:
    """Press a button. Returns the page that one then is on."""
    url = reverse("governance:priority_vote", args=[priority.pk])
    response = signed_in(person).post(url, {"value": value, **fields}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def let_say(priority: Priority, group: MemberGroup | None, *, agree: int, disagree: int) -> None:
    """So many new members of a group say so much."""
    for value, number in (("agree", agree), ("disagree", disagree)):
        for _ in range(number):
            person = make_user()
            person.group = group
            person.save()
            say(person, priority, value)


def read(url: str, person: User | None = None) -> str:
    client = signed_in(person) if person else Client()
    return client.get(url).content.decode()


def merge(steward: User, priority: Priority, **fields: object) -> str:
    url = reverse("governance:priority_merge", args=[priority.pk])
    return signed_in(steward).post(url, fields, follow=True).content.decode()


def test_one_click_says_it_and_the_last_word_counts() -> None:
    priority, member = make_priority(make_user()), make_user()
    url = priority.get_absolute_url()
    assert "Nobody has said yet whether they agree." in read(url)

    text = say(member, priority, "agree")
    assert "<strong>100 % agree</strong>" in text
    assert 'value="agree" aria-pressed="true"' in text

    say(member, priority, "disagree")
    text = say(member, priority, "disagree")
    assert "<strong>0 % agree</strong>" in text
    assert 'value="agree" aria-pressed="false"' in text
    assert PriorityVote.objects.get().value == "disagree"


def test_it_stands_in_the_list_too_and_leads_back_there() -> None:
    priority, member = make_priority(make_user()), make_user()
    back = f"{LIST}?page=1"
    url = reverse("governance:priority_vote", args=[priority.pk])

    client = signed_in(member)
    assert f'action="{url}"' in client.get(LIST).content.decode()
    response = client.post(url, {"value": "agree", "back": back})

    assert response.headers["Location"] == f"{back}#support-{priority.pk}"
    assert "<strong>100 % agree</strong>" in client.get(LIST).content.decode()


@pytest.mark.parametrize("back", ["https://elsewhere.example/", "//elsewhere.example", ""])
def test_a_vote_leads_nowhere_but_within_the_site(back: str) -> None:
    priority = make_priority(make_user())
    url = reverse("governance:priority_vote", args=[priority.pk])

    response = signed_in(make_user()).post(url, {"value": "agree", "back": back})

    assert response.headers["Location"].startswith(priority.get_absolute_url())


def test_passing_is_counted_apart() -> None:
    priority = make_priority(make_user())
    say(make_user(), priority, "agree")

    text = say(make_user(), priority, "pass")

    assert "(1 of 1; 1 passed)" in text
    assert weights([priority.pk]) == {priority.pk: 1.0}


def test_who_said_what_is_neither_shown_nor_in_the_ledger() -> None:
    priority, member = make_priority(make_user()), make_user("zenobia")
    entries = Entry.objects.count()

    say(member, priority, "disagree")

    assert "zenobia" not in read(priority.get_absolute_url(), make_user(steward=True))
    assert Entry.objects.count() == entries


def test_visitors_see_it_and_are_asked_to_sign_in() -> None:
    priority = make_priority(make_user())
    url = reverse("governance:priority_vote", args=[priority.pk])

    assert url not in read(priority.get_absolute_url())
    assert "/account/login/?next=" in read(priority.get_absolute_url())
    assert Client().post(url, {"value": "agree"}).headers["Location"].startswith("/account/login/")


def test_what_cannot_be_said_is_refused() -> None:
    retired = make_priority(make_user())
    assert "Say whether you agree" in say(make_user(), retired, "maybe")
    Priority.objects.update(status="retired")

    assert "is retired, so it is not voted on" in say(make_user(), retired, "agree")
    assert not PriorityVote.objects.exists()


class TestGroups:
    @pytest.fixture
    def priority(self) -> Priority:
        return make_priority(make_user())

    def test_the_least_supportive_one_is_shown(self, priority: Priority) -> None:
        nurses, north = (MemberGroup.objects.create(name=name) for name in ("nurses", "north"))
        let_say(priority, nurses, agree=4, disagree=1)
        let_say(priority, north, agree=2, disagree=4)

        text = read(priority.get_absolute_url())

        assert "north, 33.3 % of 6" in text
        assert "nurses" not in text

    def test_one_with_fewer_than_five_votes_is_hidden(self, priority: Priority) -> None:
        small = MemberGroup.objects.create(name="smallest")
        let_say(priority, small, agree=0, disagree=4)
        let_say(priority, None, agree=9, disagree=0)

        assert "smallest" not in read(priority.get_absolute_url())

    def test_nothing_is_shown_from_which_the_rest_could_be_told(self, priority: Priority) -> None:
        large = MemberGroup.objects.create(name="largest")
        let_say(priority, large, agree=1, disagree=5)
        let_say(priority, None, agree=4, disagree=0)
        assert "largest" not in read(priority.get_absolute_url())

        let_say(priority, None, agree=1, disagree=0)
        assert "largest" in read(priority.get_absolute_url())


def test_weights_follow_the_votes_and_are_one_on_average() -> None:
    wanted, open_, unwanted = (make_priority(make_user()) for _ in range(3))
    let_say(wanted, None, agree=3, disagree=0)
    let_say(unwanted, None, agree=0, disagree=3)

    found = weights([wanted.pk, open_.pk, unwanted.pk])

    assert found == pytest.approx({wanted.pk: 1.6, open_.pk: 1.0, unwanted.pk: 0.4})


def test_members_who_are_gone_count_no_more() -> None:
    priority, gone = make_priority(make_user()), make_user()
    say(gone, priority, "agree")
    User.objects.filter(pk=gone.pk).update(is_active=False)

    assert support_of([priority.pk])[priority.pk].everybody.said == 0


class TestMerging:
    @pytest.fixture
    def steward(self) -> User:
        return make_user("vera", steward=True)

    def test_the_merged_one_points_to_the_other_with_a_public_reason(self, steward: User) -> None:
        doubled, kept = make_priority(make_user(), statement="Double"), make_priority(make_user())
        expert = make_expert(make_user(), priority=doubled)
        assert "Merge it into another" in read(doubled.get_absolute_url(), steward)

        text = merge(steward, doubled, into=kept.pk, reason="They are one need.")

        assert "“Double” is merged into this priority." in text.replace("&quot;", '"')
        text = read(doubled.get_absolute_url())
        assert f'Merged into “<a href="{kept.get_absolute_url()}">' in text
        assert "They are one need." in text
        assert f'<a href="{doubled.get_absolute_url()}">Double</a>' in read(kept.get_absolute_url())
        assert "Merged into" in read(f"{LIST}?show=retired")
        assert Entry.objects.get(action="priority.merged").data == {"into": kept.pk}
        expert.refresh_from_db()
        assert expert.priority == doubled
        assert doubled.probes.count() == 10

    def test_votes_are_carried_where_a_member_has_not_spoken(self, steward: User) -> None:
        doubled, kept = make_priority(make_user()), make_priority(make_user())
        both, only = make_user(), make_user()
        say(both, doubled, "agree")
        say(both, kept, "disagree")
        say(only, doubled, "agree")

        merge(steward, doubled, into=kept.pk, reason="One need.")

        said = PriorityVote.objects.filter(priority=kept).values_list("member", "value")
        assert dict(said) == {both.pk: "disagree", only.pk: "agree"}
        assert PriorityVote.objects.filter(priority=doubled).count() == 2

    def test_not_into_itself_nor_into_a_retired_one_nor_in_a_circle(self, steward: User) -> None:
        first, second = make_priority(make_user()), make_priority(make_user())
        assert "not one of the available" in merge(steward, first, into=first.pk, reason="Why.")
        merge(steward, first, into=second.pk, reason="One need.")

        assert "not one of the available" in merge(steward, second, into=first.pk, reason="Why.")
        third = make_priority(make_user())
        assert "is retired already" in merge(steward, first, into=third.pk, reason="Again.")
        first.refresh_from_db()
        assert first.merged_into == second

    def test_needs_a_reason_and_a_steward(self, steward: User) -> None:
        doubled, kept = make_priority(make_user()), make_priority(make_user())
        url = reverse("governance:priority_merge", args=[doubled.pk])

        assert "Give a public reason" in merge(steward, doubled, into=kept.pk, reason=" ")
        member = signed_in(make_user())
        assert member.post(url, {"into": kept.pk, "reason": "Mine."}).status_code == 404
        assert not Priority.objects.retired().exists()


SAID = st.fixed_dictionaries({value: st.integers(0, 9) for value in ("agree", "disagree", "pass")})


@given(st.dictionaries(st.sampled_from(["a", "b", "c", None]), SAID))
def test_a_group_is_shown_where_neither_it_nor_the_others_are_fewer_than_five(
    said: dict[str | None, dict[str, int]],
) -> None:
    support = support_among({name: Counter(values) for name, values in said.items()})

    total = sum(values["agree"] + values["disagree"] for values in said.values())
    sizes = {name: values["agree"] + values["disagree"] for name, values in said.items() if name}
    may = {name for name, size in sizes.items() if min(size, total - size) >= 5}
    assert support.everybody.said == total
    assert (support.group in may) if may else support.least is None
    for name in may:
        assert support.least is not None and support.least.share is not None
        assert support.least.share <= said[name]["agree"] / sizes[name]
