"""What is mailed, to whom, and never twice."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings as configured
from django.core.mail.message import EmailMessage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from mosaic_site.members.models import User
from mosaic_site.notices.actions import notify
from mosaic_site.notices.models import Notice
from mosaic_site.notices.tasks import reconcile
from tests.factories import make_user
from tests.notices.makers import AT_ONCE, DAILY, make_notice

pytestmark = pytest.mark.django_db

Outbox = list[EmailMessage]
DAY = timedelta(days=1)


@pytest.fixture
def ada() -> User:
    return make_user("ada")


def _grow_older(by: timedelta) -> None:
    """As if every notice, and every attempt to mail it, had been `by` earlier."""
    for notice in Notice.objects.all():
        notice.created_at -= by
        if notice.mail_tried_at:
            notice.mail_tried_at -= by
        notice.save()


def test_it_ticks() -> None:
    tasks = [entry["task"] for entry in configured.CELERY_BEAT_SCHEDULE.values()]
    assert reconcile.name in tasks


def test_what_cannot_wait_is_mailed_at_once_and_once(
    ada: User, client: Client, mailoutbox: Outbox, settings: Settings
) -> None:
    settings.MOSAIC_URL = "https://mosaic.example"
    notice = make_notice(ada, kind=AT_ONCE, text="Voting in\n“Bread & butter” is open.")
    reconcile()
    reconcile()

    (mail,) = mailoutbox
    assert mail.to == ["ada@example.org"] and mail.from_email == settings.DEFAULT_FROM_EMAIL
    assert mail.subject == "[Mosaic] Voting in “Bread & butter” is open."
    assert "“Bread & butter” is open." in mail.body
    assert f"https://mosaic.example{notice.get_absolute_url()}\n" in mail.body
    assert "https://mosaic.example/inbox/\n" in mail.body
    client.force_login(ada)
    assert client.get(notice.get_absolute_url()).headers["Location"] == "/ledger/"


def test_each_that_cannot_wait_has_its_own_mail(ada: User, mailoutbox: Outbox) -> None:
    make_notice(ada, kind=AT_ONCE)
    make_notice(ada, kind=AT_ONCE)
    notify(members=[ada, make_user()], kind=AT_ONCE, text="To both.", url="/", key="both")
    reconcile()
    assert len(mailoutbox) == 4


def test_a_day_s_notices_come_in_one_mail(ada: User, mailoutbox: Outbox) -> None:
    make_notice(ada, text="One & all.")
    make_notice(ada, text="Another.")
    make_notice(make_user("ben"))
    reconcile()
    assert not mailoutbox, "the day is not over"

    _grow_older(DAY)
    late = make_notice(ada, text="Of the next day.")
    reconcile()
    reconcile()
    to_ada, to_ben = sorted(mailoutbox, key=lambda mail: mail.to)
    assert to_ada.subject == "[Mosaic] 2 notices wait for you"
    assert "2 notices wait for you:" in to_ada.body
    assert "- One & all.\n" in to_ada.body and "- Another.\n" in to_ada.body
    assert late.text not in to_ada.body
    assert to_ben.subject == "[Mosaic] 1 notice waits for you"
    assert "1 notice waits for you:" in to_ben.body

    _grow_older(DAY)
    reconcile()
    assert len(mailoutbox) == 3 and "Of the next day." in mailoutbox[2].body


def test_a_long_day_is_cut_short(ada: User, mailoutbox: Outbox) -> None:
    for number in range(53):
        notify(members=[ada], kind=DAILY, text=f"No. {number}.", url="/", key=f"n.{number}")
    _grow_older(DAY)
    reconcile()
    (mail,) = mailoutbox
    assert mail.body.count("- No.") == 50 and "and 3 more, in your inbox" in mail.body
    _grow_older(DAY)
    reconcile()
    assert len(mailoutbox) == 1


def test_the_digest_goes_out_at_the_hour_that_is_set(
    ada: User, mailoutbox: Outbox, settings: Settings
) -> None:
    now = timezone.localtime()
    settings.MOSAIC_DIGEST_HOUR = now.hour
    make_notice(ada)
    # Within the day, and after the last digest hour.
    Notice.objects.update(created_at=now.replace(minute=0, second=0, microsecond=0))
    reconcile()
    assert not mailoutbox
    Notice.objects.update(created_at=now.replace(minute=0, second=0) - timedelta(seconds=1))
    reconcile()
    assert len(mailoutbox) == 1


def test_what_was_read_on_the_site_is_not_mailed(
    ada: User, client: Client, mailoutbox: Outbox
) -> None:
    client.force_login(ada)
    for kind in (AT_ONCE, DAILY):
        client.get(make_notice(ada, kind=kind).get_absolute_url())
    _grow_older(DAY)
    reconcile()
    assert not mailoutbox


def test_a_closed_account_gets_no_mail(ada: User, mailoutbox: Outbox) -> None:
    make_notice(ada, kind=AT_ONCE)
    User.objects.update(is_active=False)
    reconcile()
    assert not mailoutbox


def test_one_tick_mails_a_bounded_number_and_the_next_goes_on(mailoutbox: Outbox) -> None:
    members = User.objects.bulk_create(
        User(username=f"m{number}", email=f"m{number}@example.org") for number in range(130)
    )
    notify(members=members, kind=AT_ONCE, text="Look.", url="/", key="a")
    reconcile()
    assert len(mailoutbox) == 100
    reconcile()
    reconcile()
    assert len({mail.to[0] for mail in mailoutbox}) == len(mailoutbox) == 130


def test_with_nothing_due_a_tick_costs_one_query(ada: User) -> None:
    make_notice(ada)
    with CaptureQueriesContext(connection) as queries:
        reconcile()
    assert len(queries) == 1


class _Post(socketserver.StreamRequestHandler):
    """A mail server that takes mail for everybody except those it is told to refuse."""

    server: "_PostOffice"

    def handle(self) -> None:
        self._say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            if verb == "RCPT" and any(name in line for name in self.server.refused):
                self._say("550 no such mailbox")
            elif verb == "DATA":
                self._say("354 go on")
                body = b""
                while not body.endswith(b"\r\n.\r\n"):
                    body += self.rfile.readline()
                self.server.taken.append(body.decode())
                self._say("250 taken")
            else:
                self._say("250 ok")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class _PostOffice(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.taken: list[str] = []
        self.refused: set[str] = set()


@pytest.fixture
def post_office(settings: Settings) -> Iterator[_PostOffice]:
    with _PostOffice() as office:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = office.server_address[:2]
        thread = threading.Thread(target=office.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield office
        office.shutdown()
        thread.join()


def test_one_refused_address_holds_up_nobody_and_is_tried_again(
    ada: User, post_office: _PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    post_office.refused.add("ada@")
    notify(members=[ada, make_user("ben")], kind=AT_ONCE, text="Look.", url="/", key="a")
    reconcile()
    reconcile()
    assert [("To: ben@" in mail) for mail in post_office.taken] == [True]
    assert caplog.text.count("no such mailbox") == 1, "not tried at every tick"

    post_office.refused.clear()
    _grow_older(timedelta(minutes=11))
    reconcile()
    assert len(post_office.taken) == 2 and "To: ada@" in post_office.taken[1]


def test_an_address_that_stays_refused_is_given_up_but_not_the_notice(
    ada: User, client: Client, post_office: _PostOffice
) -> None:
    notice = make_notice(ada, kind=AT_ONCE)
    _grow_older(timedelta(days=6))
    reconcile()
    assert not post_office.taken
    client.force_login(ada)
    assert notice.text in client.get("/inbox/").content.decode()


def test_while_the_mail_server_is_away_nothing_is_lost(
    ada: User, post_office: _PostOffice, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    make_notice(ada, kind=AT_ONCE)
    port = settings.EMAIL_PORT
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.EMAIL_PORT = nobody.getsockname()[1]
        reconcile()
    assert "the mail server is away" in caplog.text

    settings.EMAIL_PORT = port
    reconcile()
    assert len(post_office.taken) == 1, "at the next tick"


def test_a_letter_in_another_worker_s_hands_is_left_alone(ada: User, mailoutbox: Outbox) -> None:
    make_notice(ada, kind=AT_ONCE)
    Notice.objects.update(mail_tried_at=timezone.now())
    reconcile()
    assert not mailoutbox
    _grow_older(timedelta(minutes=11))
    reconcile()
    assert len(mailoutbox) == 1, "that worker has died"


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_mail_nothing_twice(mailoutbox: Outbox) -> None:
    members = [make_user() for _ in range(30)]
    notify(members=members, kind=AT_ONCE, text="Look.", url="/", key="a")
    together = threading.Barrier(2)

    def work() -> None:
        together.wait()
        reconcile()
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    reconcile()
    assert len({mail.to[0] for mail in mailoutbox}) == len(mailoutbox) == 30
