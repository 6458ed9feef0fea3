"""What the governing floor adds to pages of other floors: ways to itself."""

from django import template

from contributions.models import Expert
from governance.access import reports_waiting

register = template.Library()


@register.inclusion_tag("governance/moderation_waiting.html")
def moderation_waiting() -> dict[str, int]:
    """`{% moderation_waiting %}`: how much that was reported waits for an answer."""
    return {"count": reports_waiting().count()}


@register.inclusion_tag("governance/expert_proposals.html")
def expert_proposals(expert: Expert) -> dict[str, Expert]:
    """`{% expert_proposals expert %}`: where members discuss it, once it is trained."""
    return {"expert": expert}
