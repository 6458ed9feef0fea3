"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

from django.http import Http404
from django.shortcuts import get_object_or_404

from mosaic_site.members.models import User
from training_workers.models import Job, Release


def job_for_anyone(pk: int) -> Job:
    """Training is public, like the expert that asks for it."""
    jobs = Job.objects.select_related("expert", "expert__owner", "release")
    return get_object_or_404(jobs, pk=pk)


def job_controlled_by(person: User, pk: int) -> Job:
    """To cancel: the expert's owner's and the stewards' right."""
    job = job_for_anyone(pk)
    owned = job.expert is not None and job.expert.owner_id == person.pk
    if not (person.is_steward or owned):
        raise Http404("not yours")
    return job


def release_for_anyone(number: int) -> Release:
    releases = Release.objects.select_related("decision", "decision__round", "base")
    return get_object_or_404(releases, number=number)
