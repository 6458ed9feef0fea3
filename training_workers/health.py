"""The base, the jobs, the live release, and who answers from it."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from contributions.models import Base
from mosaic_site.files import listed
from mosaic_site.health import Finding, error, ok, warning
from training_workers.models import Job, Release, ReleaseExpert
from training_workers.scheduling import Queue
from training_workers.serving import client

A_DAY = timedelta(days=1)
LATE = timedelta(minutes=5)
MOST_NAMED = 3


def base() -> Iterator[Finding]:
    active = Base.objects.filter(active=True).first()
    if active is None:
        yield error(
            "No base is registered.",
            "No expert can be submitted or trained, and nobody answers questions.",
            "Run `manage.py register_base`, for the shipped one, or with a folder or Hub id.",
        )
    else:
        yield ok(f"The active base is {active}.")


def base_files() -> Iterator[Finding]:
    """Every base that is used, read whole and compared with what was registered."""
    from training_workers.engine.base_facts import BaseError, describe_base

    for each in Base.objects.all():
        try:
            same = describe_base(each.source, each.revision).sha256 == each.sha256
            problem = "" if same else f"{each.source} is not what was registered."
        except BaseError as reason:
            problem = str(reason)
        if not problem:
            yield ok(f"The files of {each} are what was registered.")
            continue
        report = error if each.active else warning
        yield report(
            f"The base {each} cannot be used: {problem}",
            "Jobs on it fail, and its answers would not be those that were measured.",
            "Put its files back as they were, or register what is there as a base of its own.",
        )


def serving() -> Iterator[Finding]:
    if client.alive():
        yield ok("A serving process is alive.")
    else:
        yield error(
            "No serving process says that it lives.",
            "Nobody gets an answer from the model.",
            "Start it: manage.py serve_model. If it runs, it loads still, hangs or reaches "
            "another Redis: read its log.",
        )


def jobs() -> Iterator[Finding]:
    now = timezone.now()
    silence = timedelta(seconds=3 * settings.MOSAIC_HEARTBEAT_TIMEOUT_SECONDS)
    silent = Job.objects.filter(status=Job.Status.RUNNING, heartbeat_at__lt=now - silence)
    waiting = Job.objects.filter(pk__in=Queue().ready, created_at__lt=now - LATE)
    failed = Job.objects.filter(status=Job.Status.FAILED, finished_at__gt=now - A_DAY)
    if (count := silent.count()) > 0:
        yield error(
            f"{count} jobs run that nobody works on.",
            "Nobody takes them up again, which should happen within a minute.",
            "See that beat and a worker of the queue default run.",
        )
    if waiting.exists() and not Job.objects.filter(status=Job.Status.RUNNING).exists():
        yield error(
            f"{waiting.count()} jobs wait, and none is worked on.",
            "No expert is trained and no release composed.",
            "Restart the workers of the queue gpu and read their logs.",
        )
    if (count := failed.count()) > 0:
        named = " ".join(f"{job}: {job.reason}" for job in failed[:MOST_NAMED])
        yield warning(
            f"{count} jobs failed within a day. {named}",
            "Their experts are not trained, or their releases not composed.",
            "Their pages and the ledger have the reasons; a failed release is composed again from "
            "the desk.",
        )
    if not (silent or waiting or failed):
        yield ok("No job is stuck, and none failed within a day.")


def releases() -> Iterator[Finding]:
    live = Release.objects.live().first()
    if live is None:
        yield ok("No release is live yet: the base answers alone.")
        return
    folders = [live.strategy_folder, *(one.expert.adapter_folder for one in _standing(live))]
    missing = [folder for folder in folders if not any(listed(folder))]
    if missing:
        yield error(
            f"{len(missing)} folders of release {live.number} are gone, such as {missing[0]}.",
            "A serving process that starts anew cannot hold it.",
            "Restore the stored files from the backup, or roll back to an earlier release.",
        )
    else:
        yield ok(f"Release {live.number} is live and its files are there.")


def _standing(release: Release) -> Iterator[ReleaseExpert]:
    members = release.members.select_related("expert")
    left = {one.pk for one in members.left()}
    return (one for one in members if one.pk not in left)
