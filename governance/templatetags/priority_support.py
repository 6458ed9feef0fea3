"""What the governing floor adds to the page of a priority, which lies below it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.template.context import Context

from contributions.models import Priority
from governance.models import PriorityVote
from governance.support import Panel, panels_for

register = template.Library()


@register.simple_tag(takes_context=True)
def support_panels(context: Context, priorities: Iterable[Priority]) -> Mapping[int, Panel]:
    """`{% support_panels page as panels %}`: for a list, what `support_panel` then draws."""
    return panels_for(context["request"].user, list(priorities))


@register.inclusion_tag("governance/priority_support.html", takes_context=True)
def support_panel(
    context: Context, priority: Priority, panels: Mapping[int, Panel] | None = None
) -> dict[str, Any]:
    """`{% support_panel priority %}`: how many agree that it matters, and the member's own word."""
    request = context["request"]
    found = panels or panels_for(request.user, [priority])
    return {
        "priority": priority,
        "panel": found[priority.pk],
        "signed_in": request.user.is_authenticated,
        "is_open": priority.status == Priority.Status.OPEN,
        "values": PriorityVote.Value.choices,
        "back": request.get_full_path(),
        "csrf_token": context["csrf_token"],
    }
