"""What the workers' floor adds to the page of a dataset, which lies below it: who used it."""

from typing import Any

from django import template
from django.db.models import Q

from contributions.models import Dataset, DatasetVersion, Expert
from governance.models import Round
from training_workers.models import Release

register = template.Library()

# Of each kind, the newest. All the others are found from the experts' own pages.
MOST = 100


@register.inclusion_tag("training_workers/_dataset_uses.html")
def dataset_uses(used: Dataset | DatasetVersion) -> dict[str, Any]:
    """`{% dataset_uses dataset %}`, or a version: the experts that learned from it, the rounds
    they stood in and the releases that hold them."""
    of_dataset = isinstance(used, Dataset)
    learned = Q(versions__dataset=used) if of_dataset else Q(versions=used)
    experts = Expert.objects.filter(learned).order_by("-pk").distinct()
    learned_there = experts.order_by().values("pk")
    rounds = Round.objects.filter(candidates__expert__in=learned_there)
    releases = Release.objects.filter(members__expert__in=learned_there)
    return {
        "experts": experts.select_related("owner")[:MOST],
        "rounds": rounds.order_by("-opens_at", "-pk").distinct()[:MOST],
        "releases": releases.order_by("-number").distinct()[:MOST],
        "most": MOST,
    }
