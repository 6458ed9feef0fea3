"""The steward's desk: what waits for an answer, and how the workers are."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from contributions.models import Expert
from governance.models import Round
from mosaic_site.members.access import steward_required
from training_workers.models import Job, Release
from training_workers.serving import client

MOST_FAILURES = 10


@steward_required
def desk(request: HttpRequest) -> HttpResponse:
    active = Job.objects.active().select_related("expert__owner", "release").order_by("id")
    jobs = list(active)
    beats = [job.heartbeat_at for job in jobs if job.heartbeat_at is not None]
    unsettled = Round.objects.filter(status__in=[Round.Status.OPEN, Round.Status.PROVISIONAL])
    rounds = list(unsettled.with_counts())
    context = {
        "experts": Expert.objects.waiting().with_people().prefetch_related("versions__dataset"),
        "open_round": next((one for one in rounds if one.status == Round.Status.OPEN), None),
        "rounds": [one for one in rounds if one.status == Round.Status.PROVISIONAL],
        "releases": Release.objects.filter(status=Release.Status.FAILED),
        "failed": Job.objects.filter(status=Job.Status.FAILED).select_related(
            "expert__owner", "release"
        )[:MOST_FAILURES],
        "running": [job for job in jobs if job.status == Job.Status.RUNNING],
        "waiting": [job for job in jobs if job.status == Job.Status.QUEUED],
        "silent": set(Job.objects.silent().values_list("pk", flat=True)),
        "last_beat": max(beats, default=None),
        "served": client.alive(),
        "now": timezone.now(),
    }
    return render(request, "training_workers/desk.html", context)
