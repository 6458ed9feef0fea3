"""Deleting one's account: what goes, what stays, and that nothing breaks for the others."""

from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from contributions import actions as bring
from contributions.models import Expert
from governance import actions as decide
from governance.models import Elector, Round
from mosaic_site.ledger.chain import verify
from mosaic_site.ledger.models import Entry
from mosaic_site.members.models import MemberGroup, User
from mosaic_site.notices.models import Notice
from tests.factories import make_dataset, make_eligible_expert, make_expert, make_user
from tests.governance.makers import make_comment, make_proposal
from tests.notices.makers import make_notice
from training_workers import actions as work

pytestmark = pytest.mark.django_db

URL = "/me/leave/"
PASSWORD = "a long enough password"
NAME = "adalovelace"


@pytest.fixture(autouse=True)
def no_guesses_yet() -> None:
    """They are counted in the cache, which outlives a test."""
    cache.clear()


@pytest.fixture
def ada() -> User:
    return make_user(NAME)


@pytest.fixture
def steward() -> User:
    return make_user("vera", steward=True)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def leave(person: User, *, published: str = "leave", password: str = PASSWORD) -> str:
    """The page that comes of it. The site looks at the rows afterwards, as it does all the time."""
    form = {"published": published, "password": password}
    page = signed_in(person).post(URL, form, follow=True).content.decode()
    bring.reconcile_leaving()
    work.reconcile()
    person.refresh_from_db()
    return page


def rows_that_name(name: str) -> list[Model]:
    """Of all tables, with whatever column."""
    rows = (row for model in apps.get_models() for row in model._default_manager.all())
    return [row for row in rows if any(name in str(value) for value in vars(row).values())]


class TestThePage:
    def test_says_what_goes_and_what_stays(self, ada: User) -> None:
        make_dataset(ada)
        bring.dataset_publish(dataset=make_dataset(ada))
        make_expert(ada)

        page = signed_in(ada).get(URL).content.decode()

        assert "What goes at once" in page and "What stays" in page
        assert "private datasets</dt><dd>2</dd>" in page
        assert "public datasets</dt><dd>1</dd>" in page
        assert URL in signed_in(ada).get("/me/").content.decode()

    def test_wants_the_password(self, ada: User) -> None:
        page = leave(ada, password="a guess")

        assert "This is not your password. Nothing was done." in page
        assert ada.left_at is None and ada.username == NAME

    def test_refuses_many_guesses(self, ada: User) -> None:
        pages = [leave(ada, password="a guess") for _ in range(11)]

        assert "That was too often" in pages[-1]

    def test_refuses_the_last_steward_and_says_what_to_do(self, steward: User) -> None:
        assert "make_steward" in leave(steward)
        assert (steward.is_active, steward.is_steward) == (True, True)

        make_user(steward=True)
        assert "Your account is deleted" in leave(steward)
        assert (steward.is_active, steward.is_steward) == (False, False)


class TestWhatGoes:
    def test_nothing_names_them_any_more(self, ada: User, steward: User) -> None:
        User.objects.filter(pk=ada.pk).update(first_name="Ada", last_name=NAME)
        ada.refresh_from_db()
        ada.group = MemberGroup.objects.create(name="Nurses")
        ada.save()
        EmailAddress.objects.create(user=ada, email=ada.email, verified=True, primary=True)
        Authenticator.objects.create(user=ada, type="totp", data={})
        make_notice(ada)
        make_comment(ada, make_proposal(ada))
        expert = make_expert(ada)
        bring.expert_return(steward=steward, expert=expert, reason="Say more.")
        assert rows_that_name(NAME)

        leave(ada)

        assert not rows_that_name(NAME)
        assert not EmailAddress.objects.exists() and not Authenticator.objects.exists()
        assert not Notice.objects.filter(member=ada).exists()
        assert (ada.group_id, ada.has_usable_password()) == (None, False)

    def test_they_are_signed_out_everywhere_and_cannot_come_back(self, ada: User) -> None:
        elsewhere, somebody = signed_in(ada), signed_in(make_user())
        sessions = Session.objects.count()
        here = signed_in(ada)
        page = here.post(URL, {"published": "leave", "password": PASSWORD}, follow=True)

        assert "Your account is deleted" in page.content.decode()
        for client in (here, elsewhere):
            assert client.get("/me/").status_code == 302
        assert somebody.get("/me/").status_code == 200
        assert Session.objects.count() <= sessions
        form = {"login": NAME, "password": PASSWORD}
        assert Client().post("/account/login/", form).status_code == 200
        assert make_user(NAME).pk != ada.pk

    def test_pages_say_a_member_who_left(self, ada: User) -> None:
        expert = make_expert(ada)
        proposal = make_proposal(ada)
        make_comment(ada, proposal, text="I said this.")

        leave(ada)

        for url in (expert.get_absolute_url(), proposal.get_absolute_url(), "/ledger/", "/"):
            page = Client().get(url).content.decode()
            assert "a member who left" in page and NAME not in page
        assert "I said this." in Client().get(proposal.get_absolute_url()).content.decode()

    def test_ledger_entries_from_before_there_were_seals_hide_the_name(self, ada: User) -> None:
        """As an earlier site wrote them: the name is in the hash itself."""
        make_expert(ada)
        Entry.objects.filter(actor=ada).update(actor_seal="", actor_salt="")

        leave(ada)

        assert NAME not in Client().get("/ledger/").content.decode()

    def test_private_data_is_erased_at_once_unless_an_expert_needs_it(
        self, ada: User, steward: User
    ) -> None:
        alone = make_dataset(ada, name="my diary")
        expert = make_eligible_expert(ada, steward)
        learnt = expert.versions.get()
        file = str(alone.versions.get().file)

        leave(ada)

        alone.refresh_from_db()
        assert not default_storage.exists(file)
        assert (alone.summary, "diary" in alone.name) == ("", False)
        learnt.refresh_from_db()
        assert (learnt.status, learnt.dataset.is_public) == ("valid", False)

        bring.expert_withdraw(actor=steward, expert=expert, reason="It is old.")
        bring.reconcile_leaving()
        learnt.refresh_from_db()
        assert learnt.erased_at is not None

    def test_what_was_published_stays_or_goes_as_they_say(self, steward: User) -> None:
        people = {"leave": make_user(), "withdraw": make_user()}
        states = {}
        for published, person in people.items():
            dataset = bring.dataset_publish(dataset=make_dataset(person))
            own = make_expert(person, versions=list(dataset.versions.all()))
            others = make_expert(make_user(), versions=list(dataset.versions.all()))
            leave(person, published=published)
            states[published] = [
                dataset.versions.get().status,
                *Expert.objects.filter(pk__in=[own.pk, others.pk]).values_list("status", flat=True),
            ]

        assert states == {
            "leave": ["valid", "submitted", "submitted"],
            "withdraw": ["withdrawn", "withdrawn", "withdrawn"],
        }

    def test_nobody_who_left_is_told_anything(self, ada: User, steward: User) -> None:
        leave(ada)

        round_ = open_round(steward, [ada])

        told = Notice.objects.filter(url=round_.get_absolute_url())
        assert not told.filter(member=ada).exists()


def open_round(steward: User, people: list[User]) -> Round:
    expert = make_eligible_expert(steward, steward)
    round_ = decide.round_open(
        steward=steward,
        title="Spring",
        budget_bytes=expert.adapter_bytes,
        quorum=1,
        closes_at=timezone.now() + timedelta(minutes=8),
    )
    approvals = list(round_.candidates.values_list("pk", flat=True))
    for person in people:
        if person.left_at is None:
            decide.ballot_cast(voter=person, round_=round_, approvals=approvals)
    return round_


class TestRounds:
    @pytest.mark.parametrize("during", [True, False])
    def test_counts_receipts_and_chains_hold_when_a_voter_leaves(
        self, ada: User, steward: User, during: bool
    ) -> None:
        bob = make_user()
        round_ = open_round(steward, [ada, bob, steward])
        receipts = sorted(round_.ballots.values_list("receipt", flat=True))
        if during:
            leave(ada)
            call_command("audit_round", round_.pk)
        with time_machine.travel(timezone.now() + timedelta(minutes=20)):
            decide.reconcile()
            decide.reconcile()
        if not during:
            leave(ada)
        round_.refresh_from_db()

        call_command("audit_round", round_.pk)
        assert round_.status == "provisional"
        assert sorted(round_.ballots.values_list("receipt", flat=True)) == receipts
        assert Elector.objects.filter(round=round_, voted=True).count() == 3
        page = Client().get("/receipts/", {"receipt": receipts[0]}).content.decode()
        assert "No ballot has this receipt" not in page and round_.title in page
        assert verify().broken is None
        call_command("verify_ledger")

    def test_who_left_votes_no_more(self, ada: User, steward: User) -> None:
        client = signed_in(ada)
        round_ = open_round(steward, [])
        leave(ada)

        assert "/account/login/" in client.get(f"/rounds/{round_.pk}/ballot/").headers["Location"]


def test_a_forged_name_in_the_ledger_is_still_found(ada: User) -> None:
    make_expert(ada)
    entry = Entry.objects.filter(actor=ada).latest("sequence")

    Entry.objects.filter(pk=entry.pk).update(actor_name="somebody else")

    assert verify().broken == entry.sequence
