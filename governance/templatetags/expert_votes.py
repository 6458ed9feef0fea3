"""What the governing floor adds to the page of an expert, which lies below it."""

from django import template

from contributions.models import Expert
from governance.access import appearances_of, proposals_about

register = template.Library()


@register.inclusion_tag("governance/expert_votes.html")
def expert_votes(expert: Expert) -> dict[str, object]:
    """`{% expert_votes expert %}`: the proposals about it, and the rounds in which it stood."""
    return {"proposals": proposals_about(expert), "appearances": appearances_of(expert)}
