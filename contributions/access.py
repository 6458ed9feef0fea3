"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

from collections.abc import Collection, Iterable, Mapping

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet, Value
from django.shortcuts import get_object_or_404

from contributions.models import Dataset, DatasetVersion, Expert, MaskedCopy, Priority, Upload
from contributions.models.dataset import CLEARED, DatasetQuerySet, DatasetVersionQuerySet
from contributions.models.expert import ExpertQuerySet
from contributions.models.priority import PriorityQuerySet
from contributions.models.upload import UploadQuerySet
from mosaic_site.members.models import User

Person = User | AnonymousUser

_WITHDRAWN = Q(status=DatasetVersion.Status.WITHDRAWN)


def priorities_for_anyone() -> PriorityQuerySet:
    return Priority.objects.select_related("owner", "merged_into").with_counts()


def priority_for_anyone(pk: int) -> Priority:
    """Priorities are public; their sealed probes never are."""
    return get_object_or_404(priorities_for_anyone(), pk=pk)


def datasets_visible_to(person: Person) -> DatasetQuerySet:
    """One's own, those that their owner published, and for stewards all."""
    datasets = Dataset.objects.select_related("owner")
    if not isinstance(person, User):
        return datasets.filter(is_public=True)
    if person.is_steward:
        return datasets
    return datasets.filter(Q(owner=person) | Q(is_public=True))


def dataset_visible_to(person: Person, pk: int) -> Dataset:
    return get_object_or_404(datasets_visible_to(person), pk=pk)


def dataset_owned_by(person: User, pk: int) -> Dataset:
    return get_object_or_404(Dataset.objects.select_related("owner"), pk=pk, owner=person)


def may_withdraw(person: Person, dataset: Dataset) -> bool:
    """The owner's and the stewards' right."""
    return isinstance(person, User) and (person.is_steward or dataset.owner_id == person.pk)


def dataset_controlled_by(person: User, pk: int) -> Dataset:
    """To withdraw: the owner's and the stewards' right."""
    mine = Q() if person.is_steward else Q(owner=person)
    return get_object_or_404(Dataset.objects.select_related("owner").filter(mine), pk=pk)


def version_controlled_by(person: User, pk: int) -> DatasetVersion:
    mine = Q() if person.is_steward else Q(dataset__owner=person)
    return get_object_or_404(versions_visible_to(person).filter(mine), pk=pk)


def experts_taught_by(versions: Iterable[DatasetVersion]) -> ExpertQuerySet:
    """What would have to leave with this data."""
    return Expert.objects.taught_by(versions).order_by("name", "id")


def versions_visible_to(person: Person) -> DatasetVersionQuerySet:
    """Those of the datasets one may see. What may hold personal data is shown to others only once
    its owner answers for it."""
    versions = DatasetVersion.objects.select_related("dataset", "dataset__owner")
    versions = versions.filter(dataset__in=datasets_visible_to(person))
    if not isinstance(person, User):
        return versions.cleared().standing()
    if person.is_steward:
        return versions
    return versions.filter(Q(dataset__owner=person) | (CLEARED & ~_WITHDRAWN))


def data_known_to(person: Person, keys: Mapping[str, Collection[str]]) -> set[tuple[str, str]]:
    """Of these datasets and versions, by kind, those that the ledger may name to this person, as
    (kind, key). One query."""
    seen = [
        things.filter(pk__in=keys.get(kind, ())).order_by().values_list(Value(kind), "pk")
        for kind, things in (
            (Dataset._meta.label_lower, datasets_visible_to(person)),
            (DatasetVersion._meta.label_lower, versions_visible_to(person)),
        )
    ]
    return {(kind, str(key)) for kind, key in seen[0].union(seen[1])}


def valid_versions_of(dataset: Dataset, person: Person) -> DatasetVersionQuerySet:
    """Those without errors that this person may see, newest first."""
    seen = versions_visible_to(person).filter(dataset=dataset)
    return seen.filter(status=DatasetVersion.Status.VALID).order_by("-number")


def version_visible_to(person: Person, pk: int) -> DatasetVersion:
    return get_object_or_404(versions_visible_to(person), pk=pk)


def version_owned_by(person: User, pk: int) -> DatasetVersion:
    return get_object_or_404(versions_visible_to(person), pk=pk, dataset__owner=person)


def versions_named(ids: Iterable[int]) -> DatasetVersionQuerySet:
    """Versions with the names of their datasets and little else."""
    versions = DatasetVersion.objects.filter(pk__in=ids).select_related("dataset")
    return versions.only("number", "dataset__name")


def masked_copy_of(version: DatasetVersion) -> MaskedCopy | None:
    """The copy without personal data that was asked for, of a version that one may see."""
    if not version.personal_found:
        return None
    return _masked_copies().filter(source=version).first()


def masked_from(version: DatasetVersion) -> MaskedCopy | None:
    """What a version is the masked copy of, if it is one."""
    return _masked_copies().filter(result=version).first()


def _masked_copies() -> QuerySet[MaskedCopy]:
    reports = ("source__report_data", "result__report_data")
    return MaskedCopy.objects.select_related("source", "result").defer(*reports)


def versions_trainable_by(person: User) -> DatasetVersionQuerySet:
    """What an expert of this member may learn from: own data and published data, described."""
    mine = Q(dataset__owner=person) | Q(dataset__is_public=True)
    versions = DatasetVersion.objects.select_related("dataset", "dataset__owner")
    offered = versions.filter(mine).trainable().defer("report_data")
    return offered.order_by("-created_at", "-id")


def uploads_owned_by(person: User) -> UploadQuerySet:
    return Upload.objects.filter(owner=person).select_related("dataset", "owner", "version")


def adapters_arrived_for(person: User) -> UploadQuerySet:
    """Adapters that arrived in parts, or are about to, of which no expert is made yet."""
    return uploads_owned_by(person).open().filter(purpose=Upload.Purpose.ADAPTER)


def upload_owned_by(person: User, pk: int) -> Upload:
    return get_object_or_404(uploads_owned_by(person), pk=pk)


def experts_for_anyone() -> ExpertQuerySet:
    """Whoever submits an expert asks the community, so experts are public."""
    return Expert.objects.with_people()


def expert_for_anyone(pk: int) -> Expert:
    return get_object_or_404(experts_for_anyone(), pk=pk)


def expert_owned_by(person: User, pk: int) -> Expert:
    return get_object_or_404(experts_for_anyone(), pk=pk, owner=person)


def expert_controlled_by(person: User, pk: int) -> Expert:
    """To cancel or withdraw: the owner's and the stewards' right."""
    mine = Q() if person.is_steward else Q(owner=person)
    return get_object_or_404(experts_for_anyone().filter(mine), pk=pk)


def brought_expert_owned_by(person: User, pk: int) -> Expert:
    experts = experts_for_anyone().filter(source=Expert.Source.BROUGHT)
    return get_object_or_404(experts, pk=pk, owner=person)
