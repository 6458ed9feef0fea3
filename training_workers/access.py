"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch
from django.http import Http404
from django.shortcuts import get_object_or_404

from mosaic_site.members.models import User
from training_workers.models import Job, Release
from training_workers.models.job import JobQuerySet
from training_workers.models.release import ReleaseExpert, ReleaseQuerySet

Person = User | AnonymousUser


def jobs_for_anyone() -> JobQuerySet:
    """Training is public, like the expert that asks for it."""
    return Job.objects.select_related("expert", "expert__owner", "release")


def job_for_anyone(pk: int) -> Job:
    return get_object_or_404(jobs_for_anyone(), pk=pk)


def may_cancel(person: Person, job: Job) -> bool:
    """The expert's owner and the stewards, as long as there is training to stop."""
    if not isinstance(person, User) or job.expert is None or not job.is_active:
        return False
    return person.is_steward or job.expert.owner_id == person.pk


def may_prioritise(person: Person, job: Job) -> bool:
    """The stewards, as long as it waits."""
    return isinstance(person, User) and person.is_steward and job.status == Job.Status.QUEUED


def job_controlled_by(person: User, pk: int) -> Job:
    """To cancel: the expert's owner's and the stewards' right."""
    job = job_for_anyone(pk)
    owned = job.expert is not None and job.expert.owner_id == person.pk
    if not (person.is_steward or owned):
        raise Http404("not yours")
    return job


def releases_for_anyone() -> ReleaseQuerySet:
    """With what a mosaic is drawn from: the members, their experts and whose they are."""
    members = ReleaseExpert.objects.select_related("expert__owner")
    return Release.objects.select_related("decision__round", "base", "rebuilds").prefetch_related(
        Prefetch("members", members)
    )


def release_for_anyone(number: int) -> Release:
    return get_object_or_404(releases_for_anyone(), number=number)
