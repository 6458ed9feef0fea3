"""What this floor adds to the page on which a member leaves, which lies below it."""

from typing import Any

from django import template

from contributions.models import Dataset, Expert, Priority
from mosaic_site.members.models import User

register = template.Library()


@register.inclusion_tag("contributions/_what_you_brought.html")
def what_you_brought(member: User) -> dict[str, Any]:
    """`{% what_you_brought user %}`: how much of what is there came from this member."""
    datasets = Dataset.objects.filter(owner=member)
    public = datasets.filter(is_public=True).count()
    others = Expert.objects.standing().filter(versions__dataset__owner=member)
    return {
        "counts": {
            "public datasets": public,
            "private datasets": datasets.count() - public,
            "experts": Expert.objects.standing().filter(owner=member).count(),
            "others' experts on your data": others.exclude(owner=member).distinct().count(),
            "priorities": Priority.objects.filter(owner=member).count(),
        }
    }
