"""What the governing floor adds to the desk of a steward."""

from django import template

from governance.access import reports_waiting

register = template.Library()


@register.inclusion_tag("governance/moderation_waiting.html")
def moderation_waiting() -> dict[str, int]:
    """`{% moderation_waiting %}`: how much that was reported waits for an answer."""
    return {"count": reports_waiting().count()}
