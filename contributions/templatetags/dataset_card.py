"""Filters for the card of a dataset."""

from django import template
from django.conf.locale import LANG_INFO

from contributions import card
from contributions.licences import LICENCES, Licence

register = template.Library()

register.filter("markdown", card.as_html)
register.filter("credited", card.credited)


@register.filter
def licence(spdx_id: str) -> Licence | None:
    """`{{ dataset.licence|licence }}`: all that is known of it."""
    return LICENCES.get(spdx_id)


@register.filter
def language_name(code: str) -> str:
    """de → German; the code itself where Django has no name for it."""
    return str(LANG_INFO[code]["name"]) if "name" in LANG_INFO.get(code, {}) else code


@register.filter
def task_name(task: str) -> str:
    return card.TASKS.get(task, task)
