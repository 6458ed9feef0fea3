"""The only way a view, a consumer or the API gets an object. What is not yours does not exist."""

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.shortcuts import get_object_or_404

from contributions.models import Dataset, DatasetVersion, Expert, Priority, Upload
from contributions.models.dataset import DatasetQuerySet, DatasetVersionQuerySet
from contributions.models.expert import ExpertQuerySet
from contributions.models.priority import PriorityQuerySet
from contributions.models.upload import UploadQuerySet
from mosaic_site.members.models import User

Person = User | AnonymousUser


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


def versions_visible_to(person: Person) -> DatasetVersionQuerySet:
    versions = DatasetVersion.objects.select_related("dataset", "dataset__owner")
    return versions.filter(dataset__in=datasets_visible_to(person))


def version_visible_to(person: Person, pk: int) -> DatasetVersion:
    return get_object_or_404(versions_visible_to(person), pk=pk)


def version_owned_by(person: User, pk: int) -> DatasetVersion:
    return get_object_or_404(versions_visible_to(person), pk=pk, dataset__owner=person)


def versions_trainable_by(person: User) -> DatasetVersionQuerySet:
    """What an expert of this member may learn from: own data and published data, described."""
    mine = Q(dataset__owner=person) | Q(dataset__is_public=True)
    versions = DatasetVersion.objects.select_related("dataset", "dataset__owner")
    return versions.filter(mine).trainable().order_by("-created_at", "-id")


def uploads_owned_by(person: User) -> UploadQuerySet:
    return Upload.objects.filter(owner=person).select_related("dataset", "owner", "version")


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
