"""This machine and its settings: storage, disk space, mail, and what must not be left open."""

import shutil
import smtplib
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.checks import Tags, run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.mail import get_connection

from mosaic_site.display.words import mib
from mosaic_site.health.registry import Finding, error, ok, warning

LOOPBACK = {"localhost", "127.0.0.1", "[::1]", "testserver"}
LEAST_FREE_BYTES = 256 * 2**20
TO_FILES_OR_NOWHERE = ("console", "filebased", "locmem", "dummy")


def is_public() -> bool:
    """Whether others than the person at this machine are let in."""
    return not set(settings.ALLOWED_HOSTS) <= LOOPBACK


def storage() -> Iterator[Finding]:
    """Write a small file, read it and delete it, as an upload would."""
    name, content = f"health/{uuid.uuid4().hex}", b"is this kept?"
    try:
        stored = default_storage.save(name, ContentFile(content))
        try:
            with default_storage.open(stored) as file:
                kept = file.read()
        finally:
            default_storage.delete(stored)
    except OSError as reason:
        yield error(
            f"A file could not be stored: {reason}",
            "Uploads, adapters and releases cannot be kept.",
            "See that the folder or bucket is there, has room, and may be written by this user.",
        )
        return
    if kept != content:
        yield error(
            "A file that was stored came back changed.",
            "Datasets and adapters would be damaged.",
            "Do not go on with this storage: check the disk or the bucket.",
        )
        return
    yield ok("Files are stored, read and deleted.")


def room() -> Iterator[Finding]:
    """Free space where files, checkpoints and temporary files are written."""
    folders = {
        "checkpoints": Path(settings.MOSAIC_HOME),
        "temporary files": Path(tempfile.gettempdir()),
    }
    if isinstance(default_storage, FileSystemStorage):  # not where files are on other machines
        folders["uploads and adapters"] = Path(settings.MEDIA_ROOT)
    for what, folder in folders.items():
        free = shutil.disk_usage(_existing(folder)).free
        if free < LEAST_FREE_BYTES:
            yield error(
                f"The disk for {what} ({folder}) is full: {mib(free)} are left.",
                "Jobs and uploads that write there fail, or wait.",
                "Free some space or enlarge the disk. Jobs that wait for room go on by themselves.",
            )
        elif free < settings.MOSAIC_FILE_LIMIT_BYTES:
            yield warning(
                f"The disk for {what} ({folder}) has {mib(free)} left.",
                f"One upload may have {mib(settings.MOSAIC_FILE_LIMIT_BYTES)}.",
                "Free some space or enlarge the disk.",
            )
        else:
            yield ok(f"The disk for {what} has {mib(free)} left.")


def _existing(folder: Path) -> Path:
    """The folder itself, or the one in which it will be made."""
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def mail() -> Iterator[Finding]:
    backend = settings.EMAIL_BACKEND.split(".")[-2]
    if backend in TO_FILES_OR_NOWHERE:
        if is_public():
            yield warning(
                f"Mails go nowhere (the {backend} backend).",
                "Nobody can confirm an address, reset a password or hear of a vote.",
                "Set EMAIL_URL, as in smtp+tls://user:password@mail.example.org:587.",
            )
        else:
            yield ok("Mails are not sent: this site is for the person at this machine.")
        return
    try:
        with get_connection():
            yield ok(f"The mail server {settings.EMAIL_HOST} lets us in.")
    except (smtplib.SMTPException, OSError) as reason:
        yield error(
            f"The mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT} does not take mails: "
            f"{reason}",
            "Nobody can confirm an address, reset a password or hear of a vote. Notices are kept "
            "and sent when it is back.",
            "See that EMAIL_URL has the right host, port, user and password, and that the server "
            "can be reached from here.",
        )


def sound_settings() -> Iterator[Finding]:
    """What must not be left open where others are let in, after Django's deployment checks."""
    found = False
    if settings.DEBUG:
        found = True
        yield error(
            "DEBUG is on.",
            "Error pages show settings, code and what people sent, to everybody.",
            "Set DEBUG = False, or use mosaic_site.settings.production.",
        )
    if not is_public():
        if not found:
            yield ok("The site is for the person at this machine alone.")
        return
    if "*" in settings.ALLOWED_HOSTS:
        found = True
        yield warning(
            "ALLOWED_HOSTS lets every host name in.",
            "A link in a password mail can be made to lead to somebody else's site.",
            "Name the site's own hosts in ALLOWED_HOSTS.",
        )
    if settings.MOSAIC_DEMO:
        found = True
        yield error(
            "The demo community lives on a site that is open to others.",
            "Its passwords are known, and its stewards need no second factor.",
            "Set MOSAIC_DEMO=0, and begin with an empty database.",
        )
    for message in run_checks(tags=[Tags.security], include_deployment_checks=True):
        if message.id != "security.W018":  # DEBUG, said above
            found = True
            report = error if message.is_serious() else warning
            yield report(
                message.msg.split(". ")[0].strip() + f" ({message.id}).",
                "Django's own check for sites that others use says so.",
                message.hint or "https://docs.djangoproject.com/en/5.2/ref/checks/#security",
            )
    if not found:
        yield ok("Settings are as a public site needs them.")
