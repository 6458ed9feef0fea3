"""What the workers' floor adds to the page of a dataset, which lies below it: who used it."""

from typing import Any

from django import template

from contributions.models import Dataset, DatasetVersion, Expert
from governance.models import Candidate, Round
from training_workers.models import Release, ReleaseExpert

register = template.Library()

# Of each kind, the newest. All the others are found from the experts' own pages.
MOST = 100


@register.inclusion_tag("training_workers/_dataset_uses.html")
def dataset_uses(used: Dataset | DatasetVersion) -> dict[str, Any]:
    """`{% dataset_uses dataset %}`, or a version: the experts that learned from it, the rounds
    they stood in and the releases that hold them."""
    which = {"versions__dataset" if isinstance(used, Dataset) else "versions": used}
    # By their keys, so that nothing is compared that is as long as a report.
    learned = Expert.objects.filter(**which).order_by().values("pk")
    rounds = Candidate.objects.filter(expert__in=learned).values("round")
    releases = ReleaseExpert.objects.filter(expert__in=learned).values("release")
    return {
        "experts": Expert.objects.filter(pk__in=learned).select_related("owner")[:MOST],
        "rounds": Round.objects.filter(pk__in=rounds)[:MOST],
        "releases": Release.objects.filter(pk__in=releases).defer("report")[:MOST],
        "most": MOST,
    }
