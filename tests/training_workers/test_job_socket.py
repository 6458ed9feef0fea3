"""The live panel: what a page is sent when it connects, after a hint, and after it was away."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from mosaic_site.members.models import User
from tests.factories import make_user
from tests.training_workers.makers import begin, make_job, step
from tests.training_workers.sockets import Page
from training_workers.actions import job_acknowledge_cancel, job_cancel
from training_workers.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@sync_to_async
def running_job() -> Job:
    return begin(make_job(make_user("ada"), make_user("vera", steward=True)))


@sync_to_async
def two_queued_jobs() -> tuple[Job, Job]:
    owner, steward = make_user("ada"), make_user("vera", steward=True)
    return make_job(owner, steward), make_job(owner, steward)


async def connected(pk: int) -> Page:
    page = Page(f"/ws/jobs/{pk}/")
    assert await page.connects()
    return page


async def test_whoever_connects_is_shown_the_job_as_it_is() -> None:
    job = await running_job()
    await sync_to_async(step)(job, 5)

    page = await connected(job.pk)
    panel = await page.hears()
    await page.leaves()

    assert f'id="job-{job.pk}-panel" hx-swap-oob="true"' in panel
    assert "5 / 100" in panel
    assert "csrf" not in panel


async def test_a_hint_brings_the_new_state_and_many_hints_bring_few_panels() -> None:
    job = await running_job()
    page = await connected(job.pk)
    await page.hears()

    for number in range(1, 31):
        await sync_to_async(step)(job, number)
    panels = await page.hears_until("30 / 100")

    assert len(panels) < 30
    await page.leaves()


async def test_a_page_that_was_away_misses_nothing() -> None:
    job = await running_job()
    page = await connected(job.pk)
    await page.hears()
    await page.leaves()

    owner = await User.objects.aget(username="ada")
    await sync_to_async(step)(job, 40)
    await sync_to_async(job_cancel)(actor=owner, job=job, reason="Wrong file.")
    await sync_to_async(job_acknowledge_cancel)(job=job)
    page = await connected(job.pk)
    panel = await page.hears()
    await page.leaves()

    assert "Cancelled" in panel
    assert "Wrong file." in panel
    assert "from 1.000 to 1.000 in 40 steps" in panel
    # The form that would cancel it once more goes, and the page asks for itself anew.
    assert f'id="job-{job.pk}-cancel" hx-swap-oob="true"' in panel


async def test_a_place_in_the_queue_moves_when_another_job_begins() -> None:
    first, second = await two_queued_jobs()
    page = await connected(second.pk)
    assert "Number 2 in the queue" in await page.hears()

    await sync_to_async(begin)(first)

    assert await page.hears_until("Next in the queue")
    await page.leaves()


async def test_an_unknown_job_and_a_foreign_site_are_turned_away() -> None:
    job = await running_job()

    assert not await Page(f"/ws/jobs/{job.pk + 1}/").connects()
    assert not await Page(f"/ws/jobs/{job.pk}/", origin="http://elsewhere.example").connects()


async def test_a_reader_who_leaves_leaves_no_task_behind() -> None:
    job = await running_job()
    before = asyncio.all_tasks()
    page = await connected(job.pk)
    await page.hears()

    await page.leaves()

    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
