"""What holds for whoever passes on an expert or a release."""

from collections.abc import Collection, Iterable
from typing import Any

from django import template
from django.template.context import Context

from contributions import terms
from contributions.models import Base, DatasetVersion, Expert

register = template.Library()


@register.inclusion_tag("contributions/_terms.html")
def expert_terms(
    expert: Expert, versions: Iterable[DatasetVersion], visible: Collection[int]
) -> dict[str, Any]:
    """`{% expert_terms expert versions visible %}`: see `terms.of_expert`."""
    return vars(terms.of_expert(expert, versions, visible))


@register.inclusion_tag("contributions/_terms.html", takes_context=True)
def release_terms(context: Context, base: Base, experts: Iterable[Expert]) -> dict[str, Any]:
    """`{% release_terms base experts %}`: of all these experts together."""
    return vars(terms.of_release(base, list(experts), context["request"].user))
