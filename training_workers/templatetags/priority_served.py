"""What the workers' floor adds to the page of a priority, which lies below it."""

from typing import Any

from django import template

from contributions.models import Priority
from training_workers import served

register = template.Library()


@register.inclusion_tag("training_workers/_priority_served.html")
def priority_served(priority: Priority) -> dict[str, Any]:
    """`{% priority_served priority %}`: how well the newest releases serve it."""
    return {
        "served": served.served(priority),
        "left": served.LEFT,
        "right": served.RIGHT,
        "bottom": served.BOTTOM,
    }
