"""What holds for whoever passes on an expert or a release."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from contributions.access import Person, datasets_visible_to
from contributions.card import credited
from contributions.licences import LICENCES, Obligation, Terms, effective, find
from contributions.models import Base, Dataset, DatasetVersion, Expert

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


@dataclass(frozen=True)
class Passing:
    """What holds, and whom each licence that asks for credit wants named."""

    terms: Terms
    obligations: list[tuple[str, str, list[str]]]
    credits: list[tuple[str, list[Credit]]]

    @property
    def obstacle(self) -> str:
        """Why it may not be passed on at all; empty where it may."""
        if forbidding := self.terms.because.get(Obligation.NO_DERIVATIVES):
            return f"{', '.join(forbidding)}: {WORDS[Obligation.NO_DERIVATIVES][1]}"
        for one, other in self.terms.conflicts:
            return f"{one} and {other} contradict each other: nothing made from both may be."
        return ""


def stated(expert: Expert) -> str:
    """The licences that an expert's own parts state, those of its base aside."""
    if expert.is_brought:
        return expert.licence
    return ", ".join(sorted({version.dataset.licence for version in expert.versions.all()}))


def of_expert(
    expert: Expert, versions: Iterable[DatasetVersion], visible: Collection[int]
) -> Passing:
    """Of one expert, which learns from these versions; `visible`: primary keys of those that the
    person who looks may see."""
    named = {version.dataset for version in versions if version.pk in visible}
    return _passing(expert.base, [expert], {version.dataset for version in versions}, named)


def of_release(base: Base, experts: Sequence[Expert], person: Person) -> Passing:
    """Of all these experts together, as `person` may know it. One query."""
    seen = Exists(datasets_visible_to(person).filter(pk=OuterRef("pk")))
    learned = Dataset.objects.filter(versions__experts__in=experts).annotate(seen=seen)
    rows = list(learned.select_related("owner").distinct())
    named = {row for row in rows if row.seen}  # type: ignore[attr-defined]  # annotated above
    return _passing(base, experts, set(rows), named)


def _passing(
    base: Base, experts: Iterable[Expert], datasets: set[Dataset], named: set[Dataset]
) -> Passing:
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
    return Passing(
        terms,
        [(*WORDS[one], licences) for one, licences in terms.because.items()],
        [
            (id_, [credit for stated, credit in parts if find(stated) is LICENCES[id_]])
            for id_ in asking
        ],
    )


def _credit(dataset: Dataset, visible: bool) -> Credit:
    if not visible:
        return Credit("a private dataset", "", credited(dataset))
    return Credit(dataset.name, dataset.get_absolute_url(), credited(dataset))
