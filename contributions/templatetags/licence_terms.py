"""What holds for whoever passes on an expert or a release."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django import template
from django.template.context import Context

from contributions.access import datasets_visible_to
from contributions.card import credited
from contributions.licences import LICENCES, Obligation, effective, find
from contributions.models import Base, Dataset, DatasetVersion, Expert

register = template.Library()

WORDS = {
    Obligation.ATTRIBUTION: ("Credit", "Name those below, and their licences."),
    Obligation.SHARE_ALIKE: ("Share alike", "Pass it on under the same licence only."),
    Obligation.SOURCE: ("Source", "Whoever gets it gets what it was made from as well."),
    Obligation.NON_COMMERCIAL: ("No commercial use", "Neither it nor what is made from it."),
    Obligation.NO_DERIVATIVES: ("No derivatives", "Trained models may not be passed on."),
}


@dataclass(frozen=True)
class Credit:
    """`url` is empty where the person who looks cannot go there."""

    name: str
    url: str
    whom: str


@register.inclusion_tag("contributions/_terms.html")
def expert_terms(
    expert: Expert, versions: Iterable[DatasetVersion], visible: Collection[int]
) -> dict[str, Any]:
    """`{% expert_terms expert versions visible %}`: of one expert, which learns from these
    versions; `visible`: primary keys of those that the person who looks may see."""
    named = {version.dataset for version in versions if version.pk in visible}
    return _terms(expert.base, [expert], {version.dataset for version in versions}, named)


@register.inclusion_tag("contributions/_terms.html", takes_context=True)
def release_terms(context: Context, base: Base, experts: Iterable[Expert]) -> dict[str, Any]:
    """`{% release_terms base experts %}`: of all these experts together. Two queries."""
    experts = list(experts)
    learned = Dataset.objects.filter(versions__experts__in=experts)
    datasets = set(learned.select_related("owner"))
    visible = datasets_visible_to(context["request"].user)
    named = set(visible.filter(pk__in=[dataset.pk for dataset in datasets]))
    return _terms(base, experts, datasets, named)


def _terms(
    base: Base, experts: Iterable[Expert], datasets: set[Dataset], named: set[Dataset]
) -> dict[str, Any]:
    """The obligations of a base, of data and of adapters that were trained elsewhere added up; of
    the data only the `named` are called by name."""
    parts = [(base.licence, Credit(f"the base {base.name}", "", ""))]
    parts += [
        (expert.licence, Credit(expert.name, expert.get_absolute_url(), expert.owner.display_name))
        for expert in experts
        if expert.is_brought
    ]
    parts += [
        (dataset.licence, _credit(dataset, dataset in named))
        for dataset in sorted(datasets, key=lambda dataset: (dataset not in named, dataset.name))
    ]
    terms = effective(licence for licence, _ in parts)
    asking = terms.because.get(Obligation.ATTRIBUTION, [])
    return {
        "terms": terms,
        "obligations": [(*WORDS[one], licences) for one, licences in terms.because.items()],
        "credits": [
            (id_, [credit for stated, credit in parts if find(stated) is LICENCES[id_]])
            for id_ in asking
        ],
    }


def _credit(dataset: Dataset, visible: bool) -> Credit:
    if not visible:
        return Credit("a private dataset", "", credited(dataset))
    return Credit(dataset.name, dataset.get_absolute_url(), credited(dataset))
